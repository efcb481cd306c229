import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ArtifactFile } from '../artifact.js';
import { decodeText } from '../text-file.js';

/** File that lists the modules of a sentence-transformers model. */
export const MODULES_FILE = 'modules.json';

/** A module of `modules.json`: its folder, empty for the model's own. */
interface Module {
  readonly path: string;
  /** The entry as it is written. */
  readonly entry: Readonly<Record<string, unknown>>;
}

/** Largest `modules.json` that is read: 1 MiB. */
const MAX_BYTES = 1024 * 1024;

/**
 * The modules in order; none if the file is missing or no such list, which whoever opens the task refuses with the
 * place.
 */
function modulesOf(files: readonly ArtifactFile[]): readonly Module[] {
  const file = files.find(({ path }) => path === MODULES_FILE);
  if (file === undefined || file.size > MAX_BYTES) return [];
  let json: unknown;
  try {
    json = JSON.parse(decodeText(readFileSync(file.absolutePath), MODULES_FILE));
  } catch {
    return [];
  }
  if (!Array.isArray(json)) return [];
  return json.flatMap((entry: unknown): readonly Module[] => {
    if (typeof entry !== 'object' || entry === null) return [];
    const { path } = entry as { path?: unknown };
    return typeof path === 'string' ? [{ path: path.replace(/^(\.\/)+|\/+$/g, ''), entry: { ...entry } }] : [];
  });
}

/** Folders of modules, such as `1_Pooling`. */
export function moduleFolders(files: readonly ArtifactFile[]): readonly string[] {
  return modulesOf(files).flatMap(({ path }) => (path === '' ? [] : [path]));
}

/**
 * The files of a sentence-transformers model with those of its first module in the model's own folder, where current
 * releases save them: older ones save a folder `0_Transformer`. `modules.json` is written anew to say so.
 *
 * @param workspace a temporary folder that lives until the files are sent
 * @returns the same files if the first module lies there already
 */
export function withFirstModuleInRoot(
  files: readonly ArtifactFile[],
  workspace: () => string,
): readonly ArtifactFile[] {
  const [first, ...others] = modulesOf(files);
  if (first === undefined || first.path === '') return files;
  const inside = `${first.path}/`;
  const lifted = new Map(
    files
      .filter(({ path }) => path.startsWith(inside))
      .map((file) => [file.path.slice(inside.length), { ...file, path: file.path.slice(inside.length) }]),
  );
  // The files of a module may not take the place of the list itself, or of another module's.
  if (lifted.size === 0 || lifted.has(MODULES_FILE)) return files;
  if (others.some(({ path }) => path !== '' && [...lifted.keys()].some((name) => name.startsWith(`${path}/`))))
    return files;
  const entries = [{ ...first.entry, path: '' }, ...others.map(({ entry }) => entry)];
  const absolutePath = join(workspace(), MODULES_FILE);
  mkdirSync(workspace(), { recursive: true });
  writeFileSync(absolutePath, `${JSON.stringify(entries, undefined, 2)}\n`);
  const list = { path: MODULES_FILE, absolutePath, size: statSync(absolutePath).size };
  const kept = files.filter(({ path }) => !path.startsWith(inside) && path !== MODULES_FILE && !lifted.has(path));
  return [...kept, ...lifted.values(), list].toSorted((a, b) => (a.path < b.path ? -1 : 1));
}
