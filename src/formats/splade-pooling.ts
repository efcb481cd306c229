import { ModelkeepError, type VersionFiles } from '../core/index.js';
import { moduleFile, readModuleConfig, readSentenceModel } from './sentence-modules.js';

/** How the scores of a masked language model's words become one sparse vector. */
export interface SpladePooling {
  readonly strategy: 'max' | 'sum';
  /** How often log(1 + x) is taken of a score: twice in models of OpenSearch (`log1p_relu`). */
  readonly logarithms: 1 | 2;
}

/** `SparseEncoder(folder)` for a masked language model that it did not save. */
const DEFAULT: SpladePooling = { strategy: 'max', logarithms: 1 };

const KEYS = ['pooling_strategy', 'activation_function', 'embedding_dimension', 'word_embedding_dimension'];

function unsupported(what: string, supported: string): ModelkeepError {
  return new ModelkeepError('UNSUPPORTED_FORMAT', `${what} is not supported; supported: ${supported}`);
}

/**
 * Reads the SpladePooling of a model that `SparseEncoder` of sentence-transformers saved; max pooling for any other.
 *
 * @throws ModelkeepError `UNSUPPORTED_FORMAT` for modules and values that are not supported, with the list of those that
 * are; `INVALID_ARTIFACT` if the module's file is missing or damaged
 */
export async function readSpladePooling(files: VersionFiles): Promise<SpladePooling> {
  const model = await readSentenceModel(files);
  if (model?.modelType !== 'SparseEncoder') return DEFAULT;
  const [first, pooling, more] = model.modules;
  const transformer = first?.kind === 'Transformer' || first?.kind === 'MLMTransformer';
  const other = transformer ? (pooling?.kind === 'SpladePooling' ? more : pooling) : first;
  if (other !== undefined) {
    throw unsupported(
      `modules.json has a ${other.kind} module (${other.type}), which`,
      'a Transformer and SpladePooling in a SparseEncoder',
    );
  }
  if (pooling === undefined)
    throw unsupported('modules.json: a SparseEncoder without SpladePooling', 'Transformer, SpladePooling');
  const path = moduleFile(pooling.path, 'config.json');
  const config = await readModuleConfig(files, pooling);
  if (config === undefined) {
    throw new ModelkeepError(
      'INVALID_ARTIFACT',
      `modules.json names the SpladePooling module ${pooling.path || '.'}, but ${path} is missing. Save the model again`,
    );
  }
  const unknown = Object.keys(config).find((key) => !KEYS.includes(key));
  if (unknown !== undefined) throw unsupported(`${path}: ${unknown}`, KEYS.join(', '));
  const { pooling_strategy: strategy = 'max', activation_function: activation = 'relu' } = config;
  if (strategy !== 'max' && strategy !== 'sum') {
    throw unsupported(`${path}: pooling_strategy ${JSON.stringify(strategy)}`, 'max, sum');
  }
  if (activation !== 'relu' && activation !== 'log1p_relu') {
    throw unsupported(`${path}: activation_function ${JSON.stringify(activation)}`, 'relu, log1p_relu');
  }
  return { strategy, logarithms: activation === 'relu' ? 1 : 2 };
}
