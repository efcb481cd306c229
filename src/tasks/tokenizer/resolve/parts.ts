import type { JsonObject } from '../../json-file.js';
import type { AddedToken, BaseVocabulary } from './added-tokens.js';

/** The parts of a tokenizer.json while it is put together. */
export interface Parts {
  readonly model: JsonObject;
  readonly vocabulary: BaseVocabulary;
  readonly normalizer: unknown;
  readonly preTokenizer: unknown;
  readonly decoder: unknown;
  /** The post-processor, made when the ids of all tokens are known. */
  readonly postProcessor: (idOf: (token: string) => number) => unknown;
  /** Tokens that are added before those of the settings. */
  readonly added: readonly AddedToken[];
}

/** A vocabulary as a map of ids. */
export function mapVocabulary(ids: ReadonlyMap<string, number>): BaseVocabulary {
  return { size: ids.size, idOf: (token) => ids.get(token) };
}

/** A vocabulary as a list of tokens with their scores: the place of a token is its id, the last of equal ones counts. */
export function listVocabulary(pieces: readonly (readonly [string, number])[]): BaseVocabulary {
  const ids = new Map(pieces.map(([token], id) => [token, id]));
  return { size: pieces.length, idOf: (token) => ids.get(token) };
}

export const sequence = (parts: readonly JsonObject[]): JsonObject => ({ type: 'Sequence', normalizers: parts });
export const preSequence = (parts: readonly JsonObject[]): JsonObject => ({ type: 'Sequence', pretokenizers: parts });
export const replaceText = (from: string, to: string): JsonObject => ({
  type: 'Replace',
  pattern: { String: from },
  content: to,
});
export const replacePattern = (from: string, to: string): JsonObject => ({
  type: 'Replace',
  pattern: { Regex: from },
  content: to,
});
/** Marks the beginnings of words, as sentencepiece does. */
export const METASPACE: JsonObject = Object.freeze({
  type: 'Metaspace',
  replacement: '▁',
  prepend_scheme: 'always',
  split: true,
});

/** What comes between the two texts of a pair, and which segment the second one is. */
export interface PairForm {
  readonly separators: 1 | 2;
  readonly pairType: 0 | 1;
}

const special = ([id]: readonly [string, number], type: number): JsonObject => ({
  SpecialToken: { id, type_id: type },
});
const text = (id: 'A' | 'B', type: number): JsonObject => ({ Sequence: { id, type_id: type } });

/** A template such as `[CLS] A [SEP] B [SEP]`. */
export function template(
  cls: readonly [string, number],
  sep: readonly [string, number],
  { separators, pairType }: PairForm,
): JsonObject {
  const single = [special(cls, 0), text('A', 0), special(sep, 0)];
  const between = separators === 2 ? [special(sep, 0)] : [];
  return {
    type: 'TemplateProcessing',
    single,
    pair: [...single, ...between, text('B', pairType), special(sep, pairType)],
    special_tokens: Object.fromEntries(
      [cls, sep].map(([token, id]) => [token, { id: token, ids: [id], tokens: [token] }]),
    ),
  };
}
