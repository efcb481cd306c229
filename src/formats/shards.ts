import { checkFilePath, ModelkeepError, type VersionFiles } from '../core/index.js';
import { readJson } from './read-json.js';

/** The one file of a checkpoint that is not sharded. */
export const WEIGHTS_FILE = 'model.safetensors';
/** The file that says which shard holds which tensor. */
export const WEIGHTS_INDEX_FILE = 'model.safetensors.index.json';

/** The weight files of a Hugging Face directory. */
export interface Shards {
  readonly shards: readonly string[];
  /** Which file should hold which tensor; empty for a checkpoint that is not sharded. */
  readonly weightMap: ReadonlyMap<string, string>;
}

/** Finds the weight files. @throws ModelkeepError `INVALID_ARTIFACT` naming what is missing */
export async function shardsOf(files: VersionFiles): Promise<Shards> {
  if (files.size(WEIGHTS_FILE) !== undefined) return { shards: [WEIGHTS_FILE], weightMap: new Map() };
  if (files.size(WEIGHTS_INDEX_FILE) === undefined) {
    throw new ModelkeepError('INVALID_ARTIFACT', `The model has neither ${WEIGHTS_FILE} nor ${WEIGHTS_INDEX_FILE}`);
  }
  const { weight_map: map } = await readJson(files, WEIGHTS_INDEX_FILE);
  if (typeof map !== 'object' || map === null || Object.keys(map).length === 0) {
    throw new ModelkeepError('INVALID_ARTIFACT', `${WEIGHTS_INDEX_FILE}: weight_map is missing or empty`);
  }
  const weightMap = new Map<string, string>();
  for (const [tensor, path] of Object.entries(map)) {
    if (typeof path !== 'string' || files.size(checkFilePath(path)) === undefined) {
      throw new ModelkeepError(
        'INVALID_ARTIFACT',
        `${WEIGHTS_INDEX_FILE}: the shard ${JSON.stringify(path)} of tensor "${tensor}" is missing`,
      );
    }
    weightMap.set(tensor, path);
  }
  return { shards: [...new Set(weightMap.values())].toSorted(), weightMap };
}
