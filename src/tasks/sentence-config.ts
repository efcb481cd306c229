import { ModelkeepError } from '../core/index.js';
import { SENTENCE_CONFIG_FILE } from '../formats/index.js';
import type { JsonObject } from './json-file.js';
import { SIMILARITIES, type Similarity } from './similarity.js';

function invalid(message: string): ModelkeepError {
  return new ModelkeepError('INVALID_ARTIFACT', `${SENTENCE_CONFIG_FILE}: ${message}. Save the model again`);
}

/** How vectors are compared, by its name. */
export interface NamedSimilarity {
  readonly name: string;
  readonly of: Similarity;
}

/**
 * How the vectors of a model are compared.
 *
 * @throws ModelkeepError `UNSUPPORTED_FORMAT` for a similarity that is not known
 */
export function similarityOf(config: JsonObject, usual: 'cosine' | 'dot'): NamedSimilarity {
  const name = config['similarity_fn_name'] ?? usual;
  const of = typeof name === 'string' && Object.hasOwn(SIMILARITIES, name) ? SIMILARITIES[name] : undefined;
  if (of !== undefined) return { name: name as string, of };
  throw new ModelkeepError(
    'UNSUPPORTED_FORMAT',
    `${SENTENCE_CONFIG_FILE}: similarity_fn_name ${JSON.stringify(name)} is not supported; supported: ` +
      Object.keys(SIMILARITIES).join(', '),
  );
}

/**
 * A positive integer of a model's settings; undefined if it is not there.
 *
 * @throws ModelkeepError `INVALID_ARTIFACT` for anything else
 */
export function countOf(config: JsonObject, key: string): number | undefined {
  const value = config[key] ?? undefined;
  if (value === undefined) return undefined;
  if (Number.isSafeInteger(value) && (value as number) > 0) return value as number;
  throw invalid(`${key} is ${JSON.stringify(value)}, not a positive integer`);
}
