import { existsSync, readdirSync, type Dirent } from 'node:fs';
import { join } from 'node:path';
import { WEIGHTS_FILE, WEIGHTS_INDEX_FILE } from '../shards.js';
import { CHECKPOINT_FOLDER, folderLeftOut, PICKLED } from './file-kinds.js';

/** What a folder looks like by the names in it. */
export type FolderKind =
  | 'MLflow model'
  | 'Hugging Face cache'
  | 'sentence-transformers model'
  | 'checkpoint'
  | 'adapter'
  | 'ONNX model'
  | 'pickled model'
  | 'training run'
  | 'weights of another framework';

/** A folder that looks like a model. */
export interface Candidate {
  /** Relative to the folder that was searched, with `/` between parts. */
  readonly path: string;
  readonly kind: FolderKind;
}

/** How deep models are looked for, and how many names are looked at. */
const MAX_DEPTH = 8;
const MAX_NAMES = 50_000;

/** Names in a folder that is there; none in one that is not, or cannot be read. */
function entriesOf(folder: string): readonly Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch {
    return [];
  }
}

/** What a folder itself holds; undefined if it holds no model, though a folder in it may. */
export function folderKind(folder: string): FolderKind | undefined {
  const names = new Set(entriesOf(folder).map(({ name }) => name));
  const some = (pattern: RegExp): boolean => [...names].some((name) => pattern.test(name));
  if (names.has('MLmodel')) return 'MLflow model';
  if (names.has('snapshots') && (names.has('blobs') || names.has('refs'))) return 'Hugging Face cache';
  if (names.has('config.json') && (names.has(WEIGHTS_FILE) || names.has(WEIGHTS_INDEX_FILE))) return 'checkpoint';
  if (
    some(/\.onnx$/) ||
    (names.has('onnx') && entriesOf(join(folder, 'onnx')).some(({ name }) => name.endsWith('.onnx')))
  )
    return 'ONNX model';
  if (names.has('adapter_config.json')) return 'adapter';
  const others = some(/^(pytorch_model.*\.bin|tf_model\.h5|flax_model\.msgpack)$/);
  if (names.has('modules.json')) return others ? 'weights of another framework' : 'sentence-transformers model';
  if (others && names.has('config.json')) return 'weights of another framework';
  if (some(CHECKPOINT_FOLDER)) return 'training run';
  return some(PICKLED) ? 'pickled model' : undefined;
}

/** Folders below one that look like models, nearest first, and whether all were looked at. */
export function candidatesBelow(root: string): { readonly found: readonly Candidate[]; readonly complete: boolean } {
  const found: Candidate[] = [];
  let level: readonly string[] = [''];
  let names = 0;
  for (let depth = 0; level.length > 0; depth += 1) {
    if (depth > MAX_DEPTH) return { found, complete: false };
    const next: string[] = [];
    for (const path of level) {
      for (const entry of entriesOf(join(root, path)).toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
        names += 1;
        if (names > MAX_NAMES) return { found, complete: false };
        // Links to folders are not followed: they would find a model twice, or one that is elsewhere.
        if (!entry.isDirectory() || folderLeftOut(entry.name) !== undefined) continue;
        const below = path === '' ? entry.name : `${path}/${entry.name}`;
        const kind = folderKind(join(root, below));
        if (kind === undefined) next.push(below);
        else found.push({ path: below, kind });
      }
    }
    level = next;
  }
  return { found, complete: true };
}

/** Archives that lie in a folder, which may hold a model. */
export function archivesIn(folder: string): readonly string[] {
  return entriesOf(folder)
    .map(({ name }) => name)
    .filter((name) => /\.(zip|tar|tgz|tar\.gz)$/i.test(name));
}

/** True if a path exists. */
export function isThere(path: string): boolean {
  return existsSync(path);
}
