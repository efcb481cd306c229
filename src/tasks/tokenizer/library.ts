import { Tokenizer as LibraryTokenizer } from '@huggingface/tokenizers';
import { ModelkeepError } from '../../core/index.js';
import type { JsonObject } from '../json-file.js';
import { charsMapNormalizer } from './charsmap.js';
import type { TokenizerFiles } from './files.js';
import { cacheWords, type WordModel } from './word-cache.js';

/** A token that is found in a text before it is normalised, such as `[MASK]`. */
export interface AddedToken {
  readonly id: number;
  readonly content: string;
  readonly special: boolean;
  readonly lstrip: boolean;
  readonly rstrip: boolean;
}

/** A step of the library, or a sequence of them: parts that modelkeep looks into. */
interface NormalizerStep {
  (text: string): string;
  readonly normalizers?: readonly NormalizerStep[];
  readonly charsmap?: string | null;
  readonly config?: { readonly type?: string; readonly lowercase?: boolean };
  normalize(text: string): string;
}

/** A pre-tokenizer: cuts normalised text into words. */
export interface PreTokenizerStep {
  (text: string, options: { readonly section_index: number }): string[];
  readonly tokenizers?: readonly PreTokenizerStep[];
  readonly byte_encoder?: unknown;
}

/**
 * What modelkeep uses of `@huggingface/tokenizers`, as its sources have it (its declarations do not resolve in Node's
 * module resolution, so it would be untyped).
 */
export interface Library {
  readonly normalizer: NormalizerStep | null;
  readonly pre_tokenizer: PreTokenizerStep | null;
  readonly model: { (words: string[]): string[]; readonly config: { readonly continuing_subword_prefix?: string } };
  readonly post_processor:
    | ((
        tokens: string[],
        pair: string[] | null,
        addSpecialTokens: boolean,
      ) => {
        tokens: string[];
        token_type_ids?: number[];
      })
    | null;
  readonly decoder: ((tokens: string[]) => string) | null;
  tokenize(text: string, options: { readonly add_special_tokens: boolean }): string[];
  decode(ids: number[], options: { readonly skip_special_tokens: boolean }): string;
  token_to_id(token: string): number | undefined;
  id_to_token(id: number): string | undefined;
  get_added_tokens_decoder(): ReadonlyMap<number, AddedToken>;
}

/** Swaps the library's approximation of a sentencepiece character map for the map itself. */
function useCharsMaps(step: NormalizerStep | null): void {
  for (const each of step?.normalizers ?? []) useCharsMaps(each);
  if (step?.charsmap) step.normalize = charsMapNormalizer(step.charsmap);
}

const PRINTABLE_ASCII = /^[ -~]*$/;

/** Spares plain English the steps of BERT's normaliser that change nothing in it: all but lower case. */
function skipForAscii(step: NormalizerStep | null): void {
  for (const each of step?.normalizers ?? []) skipForAscii(each);
  if (step?.config?.type !== 'BertNormalizer') return;
  const { lowercase } = step.config;
  const normalize = step.normalize.bind(step);
  step.normalize = (text) => {
    if (!PRINTABLE_ASCII.test(text)) return normalize(text);
    return lowercase === true ? text.toLowerCase() : text;
  };
}

/** True for the models that look at each word on its own and remember none. */
function isPerWord({ model }: JsonObject): boolean {
  const type = (model as JsonObject | undefined)?.['type'];
  return type === 'WordPiece' || type === 'Unigram';
}

/** What the library makes of a vocabulary: models that hold one and nothing else that is made from it. */
interface VocabularyModel {
  tokens_to_ids: ReadonlyMap<string, number>;
  vocab: string[];
  unk_token_id: number | undefined;
  readonly unk_token?: string;
}

/** Gives the library a vocabulary that was taken out of tokenizer.json, as its own constructors keep one. */
function giveVocabulary(model: VocabularyModel, ids: ReadonlyMap<string, number>): void {
  const vocab: string[] = [];
  for (const [token, id] of ids) vocab[id] = token;
  model.tokens_to_ids = ids;
  model.vocab = vocab;
  model.unk_token_id = model.unk_token === undefined ? undefined : ids.get(model.unk_token);
}

/** The contents of tokenizer.json for the library: whole for the kinds that do not hold a plain vocabulary. */
function whole(json: JsonObject, ids: ReadonlyMap<string, number>): JsonObject {
  return { ...json, model: { ...(json['model'] as JsonObject), vocab: Object.fromEntries(ids) } };
}

/**
 * Opens the library on the contents of `tokenizer.json` and `tokenizer_config.json`.
 *
 * @throws ModelkeepError `UNSUPPORTED_FORMAT` for a kind of tokenizer that the library does not know
 */
export function openLibrary({ json, config, vocabulary }: TokenizerFiles): Library {
  const kind = (json['model'] as JsonObject | undefined)?.['type'];
  const isApart = vocabulary !== undefined && (kind === 'WordPiece' || kind === 'BPE');
  const contents = vocabulary === undefined || isApart ? json : whole(json, vocabulary);
  try {
    const library = new LibraryTokenizer(contents, config) as unknown as Library;
    if (isApart) giveVocabulary(library.model as unknown as VocabularyModel, vocabulary);
    useCharsMaps(library.normalizer);
    skipForAscii(library.normalizer);
    // BPE has a cache of its own.
    if (isPerWord(json)) cacheWords(library.model as unknown as WordModel);
    return library;
  } catch (error) {
    if (error instanceof ModelkeepError) throw error;
    const why = error instanceof Error ? error.message : String(error);
    throw new ModelkeepError('UNSUPPORTED_FORMAT', `tokenizer.json cannot be used: ${why}`, { cause: error });
  }
}
