import { ModelkeepError, type VersionFiles } from '../../../core/index.js';
import { readTokenizerJson } from '../../../formats/index.js';
import type { JsonObject } from '../../json-file.js';
import { listVocabulary, mapVocabulary, type Parts } from './parts.js';
import { readId, readToken } from './settings.js';
import { invalidValue, isObject } from './sources.js';

const PATH = 'tokenizer.json';

/** What tokenizer.json says about lengths, which settings may leave to it. */
export interface JsonLengths {
  readonly truncation?: JsonObject | undefined;
  readonly padding?: JsonObject | undefined;
}

/** A tokenizer.json taken apart. */
export interface TokenizerJson extends JsonLengths {
  readonly parts: Parts;
  /** Its `added_tokens` as they are. */
  readonly added: readonly unknown[];
}

function readPairs(vocab: readonly unknown[]): (readonly [string, number])[] {
  return vocab.map((entry, i) => {
    const [token, score] = Array.isArray(entry) ? (entry as unknown[]) : [];
    if (typeof token === 'string' && typeof score === 'number') return [token, score];
    throw invalidValue(PATH, `model.vocab[${i}]`, entry, 'it must be a token and its score. Save the tokenizer again');
  });
}

function readIds(vocab: JsonObject): ReadonlyMap<string, number> {
  return new Map(
    Object.entries(vocab).map(([token, id]) => [token, readId(PATH, `model.vocab[${JSON.stringify(token)}]`, id)]),
  );
}

/** Takes a tokenizer.json apart. @throws ModelkeepError `INVALID_ARTIFACT` */
export async function readParts(files: VersionFiles): Promise<TokenizerJson> {
  const { json, vocabulary } = await readTokenizerJson(files);
  const { model, added_tokens: added = [], post_processor: postProcessor = null, truncation, padding } = json;
  if (!isObject(model)) throw invalidValue(PATH, 'model', model, 'it must be an object. Save the tokenizer again');
  if (!Array.isArray(added)) {
    throw invalidValue(PATH, 'added_tokens', added, 'it must be a list of tokens. Save the tokenizer again');
  }
  const { vocab } = model;
  if (!Array.isArray(vocab) && !isObject(vocab)) {
    throw invalidValue(PATH, 'model.vocab', vocab, 'it must hold the tokens. Save the tokenizer again');
  }
  const ids = vocabulary ?? (Array.isArray(vocab) ? undefined : readIds(vocab));
  return {
    parts: {
      // A map is put back as an object, whose tokens are then in the order of the file again.
      model: vocabulary === undefined ? model : { ...model, vocab: Object.fromEntries(vocabulary) },
      vocabulary: ids === undefined ? listVocabulary(readPairs(vocab as unknown[])) : mapVocabulary(ids),
      normalizer: json['normalizer'] ?? null,
      preTokenizer: json['pre_tokenizer'] ?? null,
      decoder: json['decoder'] ?? null,
      postProcessor: () => postProcessor,
      added: added.map((token: unknown, i) => readToken(PATH, `added_tokens[${i}]`, token)),
    },
    added,
    truncation: isObject(truncation) ? truncation : undefined,
    padding: isObject(padding) ? padding : undefined,
  };
}

/** The side that a length setting of tokenizer.json names. @throws ModelkeepError `INVALID_ARTIFACT` */
export function sideOf(part: JsonObject | undefined): 'left' | 'right' {
  return typeof part?.['direction'] === 'string' && part['direction'].toLowerCase() === 'left' ? 'left' : 'right';
}

/** The error of a token whose id the model does not have. */
export function beyondTable(path: string, token: string, id: number, rows: number): ModelkeepError {
  return new ModelkeepError(
    'INVALID_ARTIFACT',
    `${path} gives the token ${JSON.stringify(token)} the id ${id}, the embedding table has ${rows} rows ` +
      '(vocab_size of config.json). Save the tokenizer that the model was trained with, or resize the embeddings',
  );
}
