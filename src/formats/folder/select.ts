import { readFileSync } from 'node:fs';
import type { Format } from '../../core/index.js';
import type { ArtifactFile } from '../artifact.js';
import { WEIGHTS_FILE, WEIGHTS_INDEX_FILE } from '../shards.js';
import { decodeText } from '../text-file.js';
import { PICKLED, type LeftOut } from './file-kinds.js';
import { moduleFolders } from './first-module.js';

/** The files of a folder that belong to its model, and the others. */
export interface Selection {
  readonly files: readonly ArtifactFile[];
  readonly leftOut: readonly LeftOut[];
}

/** Weights of an adapter beside those of its model. */
const ADAPTER_WEIGHTS = 'adapter_model.safetensors';

/**
 * Chooses the files that belong to the model of a folder: its own files, those of its modules, and the one form of its
 * weights that is served.
 *
 * @param graph of an ONNX model: its graph, and the files with its data
 */
export function selectFiles(
  files: readonly ArtifactFile[],
  format: Format,
  graph: { readonly path: string; readonly data: ReadonlySet<string> } | undefined,
): Selection {
  const belongs = format === 'onnx' && graph !== undefined ? ofOnnx(files, graph) : ofCheckpoint(files);
  const kept = files.filter(({ path }) => belongs(path));
  const leftOut = files
    .filter(({ path }) => !belongs(path))
    .map(({ path }): LeftOut => ({ path, why: WEIGHTS.test(path) ? 'other weights' : 'not needed' }));
  return { files: kept, leftOut };
}

const WEIGHTS = /\.safetensors(\.index\.json)?$|\.onnx([._]data)?$/;

/** True for the files in a folder itself and in those of its modules. */
function inFolders(files: readonly ArtifactFile[], more: readonly string[] = []): (path: string) => boolean {
  const folders = [...moduleFolders(files), ...more];
  return (path) => !path.includes('/') || folders.some((folder) => path.startsWith(`${folder}/`));
}

function ofCheckpoint(files: readonly ArtifactFile[]): (path: string) => boolean {
  const inside = inFolders(files);
  const weights = new Set([ADAPTER_WEIGHTS, ...weightsOf(files)]);
  return (path) => {
    if (!inside(path) || PICKLED.test(path) || /\.onnx([._]data)?$/.test(path)) return false;
    return path.includes('/') || !WEIGHTS.test(path) || weights.has(path);
  };
}

/** The one file of weights, or the shards and their index. */
function weightsOf(files: readonly ArtifactFile[]): readonly string[] {
  if (files.some(({ path }) => path === WEIGHTS_FILE)) return [WEIGHTS_FILE];
  const index = files.find(({ path }) => path === WEIGHTS_INDEX_FILE);
  const all = files.map(({ path }) => path);
  if (index === undefined) return all;
  try {
    const { weight_map: map } = JSON.parse(decodeText(readFileSync(index.absolutePath), index.path)) as {
      weight_map: Readonly<Record<string, string>>;
    };
    return [WEIGHTS_INDEX_FILE, ...Object.values(map)];
  } catch {
    // A damaged index is refused by whoever reads the weights, with the place.
    return all;
  }
}

function ofOnnx(
  files: readonly ArtifactFile[],
  graph: { readonly path: string; readonly data: ReadonlySet<string> },
): (path: string) => boolean {
  const slash = graph.path.lastIndexOf('/');
  const inside = inFolders(files, slash < 0 ? [] : [graph.path.slice(0, slash)]);
  return (path) => {
    if (path === graph.path || graph.data.has(path)) return true;
    return inside(path) && !PICKLED.test(path) && !WEIGHTS.test(path);
  };
}
