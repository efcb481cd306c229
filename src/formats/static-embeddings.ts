import { ModelkeepError, type VersionFiles } from '../core/index.js';
import { readTensors, type PlacedTensor } from './graphs/checkpoint.js';
import { readJson } from './read-json.js';
import { readSentenceModel } from './sentence-modules.js';
import { WEIGHTS_FILE } from './shards.js';
import { DTYPE_BYTES } from './tensor-table.js';

/** A model that is one table of vectors: a text is the mean of the rows of its tokens. */
export interface StaticModel {
  /**
   * The library whose answers are meant, which the name of the table tells: `model2vec` leaves unknown tokens out, cuts
   * texts and scales; the module StaticEmbedding of `sentence-transformers` does none of this.
   */
  readonly library: 'model2vec' | 'sentence-transformers';
  /** [rows, features]. */
  readonly table: PlacedTensor;
  /** [tokens]: the row of each token; absent: its id. */
  readonly mapping?: PlacedTensor | undefined;
  /** [tokens]: a factor of each token; absent: 1. */
  readonly weights?: PlacedTensor | undefined;
  /** Ids that a tokenizer may give, from 0. */
  readonly tokens: number;
  /** Of model2vec: most tokens of a text. Infinite: as many as it has */
  readonly maxTokens: number;
  /** Of model2vec: whether vectors get length 1. */
  readonly normalize: boolean;
}

/** Names of the table, by the library that saves it so. */
const TABLES = [
  ['embeddings', 'model2vec'],
  ['embedding.weight', 'sentence-transformers'],
] as const;
const OTHERS = new Set(['mapping', 'weights']);
const TABLE_TYPES = new Set(['F32', 'F16', 'F64', 'BF16', 'I8']);
const MAPPING_TYPES = new Set(['I64', 'I32']);
const WEIGHT_TYPES = new Set(['F32', 'F16', 'F64']);
/** Tokens of a text where model2vec's config.json does not say. */
const MODEL2VEC_TOKENS = 512;

function invalid(message: string): ModelkeepError {
  return new ModelkeepError('INVALID_ARTIFACT', `${message}. Save the model again`);
}

function checked(tensor: PlacedTensor, types: ReadonlySet<string>, rank: number): PlacedTensor {
  const { name, dtype, shape, path } = tensor;
  if (!types.has(dtype)) {
    throw new ModelkeepError(
      'UNSUPPORTED_FORMAT',
      `${path}: tensor "${name}" of static embeddings has the dtype ${dtype}; supported: ${[...types].join(', ')}`,
    );
  }
  if (shape.length === rank && shape.every((size) => size > 0)) return tensor;
  throw invalid(
    `${path}: tensor "${name}" has the shape [${shape.join(', ')}]; static embeddings have ${rank} dimensions`,
  );
}

/** The settings of model2vec, which its config.json holds. @throws ModelkeepError `INVALID_ARTIFACT` naming the key */
async function settingsOf(files: VersionFiles): Promise<Pick<StaticModel, 'maxTokens' | 'normalize'>> {
  const config = files.size('config.json') === undefined ? {} : await readJson(files, 'config.json');
  const { normalize = false, max_length: length = MODEL2VEC_TOKENS } = config;
  if (typeof normalize !== 'boolean')
    throw invalid(`config.json: normalize is ${JSON.stringify(normalize)}, not true or false`);
  if (length === null) return { normalize, maxTokens: Number.POSITIVE_INFINITY };
  if (Number.isSafeInteger(length) && (length as number) > 0) return { normalize, maxTokens: length as number };
  throw invalid(`config.json: max_length is ${JSON.stringify(length)}, not a positive integer or null`);
}

/** True where the files can be static embeddings by their names; whether they are, the tensors tell. */
function mayBeStatic(files: VersionFiles): boolean {
  return files.size(WEIGHTS_FILE) !== undefined;
}

/**
 * Reads static embeddings, as model2vec and the module StaticEmbedding of sentence-transformers save them; undefined for
 * any other model. Reads config.json and the header of the weights.
 *
 * @throws ModelkeepError `INVALID_ARTIFACT` for tensors that do not fit each other, `UNSUPPORTED_FORMAT` for their dtypes
 */
export async function readStaticModel(files: VersionFiles): Promise<StaticModel | undefined> {
  if (!mayBeStatic(files)) return undefined;
  const tensors = await readTensors(files);
  const [name, library] = TABLES.find(([each]) => tensors.has(each)) ?? [];
  const isStatic = name !== undefined && [...tensors.keys()].every((each) => each === name || OTHERS.has(each));
  const modules = await readSentenceModel(files);
  const named = modules?.modules[0]?.kind === 'StaticEmbedding';
  if (!isStatic || library === undefined) {
    if (!named) return undefined;
    throw invalid(
      `modules.json begins with a StaticEmbedding, but ${WEIGHTS_FILE} has the tensors ` +
        `${[...tensors.keys()].slice(0, 5).join(', ')}, not "embedding.weight" or "embeddings" alone`,
    );
  }
  const table = checked(tensors.get(name)!, TABLE_TYPES, 2);
  const mapping = optional(tensors.get('mapping'), MAPPING_TYPES);
  const weights = optional(tensors.get('weights'), WEIGHT_TYPES);
  const settings =
    library === 'model2vec' ? await settingsOf(files) : { maxTokens: Number.POSITIVE_INFINITY, normalize: false };
  const tokens = mapping?.shape[0] ?? table.shape[0] ?? 0;
  if (weights !== undefined && weights.shape[0] !== tokens) {
    throw invalid(`${WEIGHTS_FILE}: "weights" has ${weights.shape[0]} numbers for ${tokens} tokens`);
  }
  await checkMapping(files, mapping, table.shape[0] ?? 0);
  return { library, table, mapping, weights, tokens, ...settings };
}

function optional(tensor: PlacedTensor | undefined, types: ReadonlySet<string>): PlacedTensor | undefined {
  return tensor === undefined ? undefined : checked(tensor, types, 1);
}

/** A row that the table does not have would end a run, not the push. */
async function checkMapping(files: VersionFiles, mapping: PlacedTensor | undefined, rows: number): Promise<void> {
  if (mapping === undefined) return;
  const { path, start, end, dtype } = mapping;
  const bytes = await files.read(path, { start, end });
  const size = DTYPE_BYTES[dtype];
  for (let at = 0; at < bytes.length; at += size) {
    const row = dtype === 'I64' ? bytes.readBigInt64LE(at) : BigInt(bytes.readInt32LE(at));
    if (row >= 0n && row < BigInt(rows)) continue;
    throw invalid(`${path}: "mapping" gives token ${at / size} the row ${row}, and the table has ${rows} rows`);
  }
}
