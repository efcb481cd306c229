import { ModelkeepError, type VersionFiles } from '../../core/index.js';
import type { ModelConfig } from '../model-config.js';
import { cleanUp } from './clean-up.js';
import { openLibrary, type Library } from './library.js';
import { resolveTokenizer } from './resolve/resolve.js';
import type { ResolvedTokenizer } from './resolved.js';
import { assemble, templateOf, type Assembled, type Template } from './template.js';
import { prefixesOf } from './text-prefix.js';
import { placedIn, type AlignedText } from './aligned-text.js';
import { kept, truncatedLengths, type TruncationStrategy } from './truncate.js';

/** How a text or pair is to be cut. */
export interface EncodeOptions {
  /** Most tokens with special ones. @defaultValue the tokenizer's limit */
  readonly maxTokens?: number | undefined;
  /** @defaultValue 'longest_first' */
  readonly strategy?: TruncationStrategy | undefined;
  /** The end at which a text loses tokens. @defaultValue the tokenizer's */
  readonly side?: 'left' | 'right' | undefined;
  /** False to put no special tokens around the texts. @defaultValue true */
  readonly special?: boolean | undefined;
}

/**
 * A tokenizer of a version: text in, ids out, as the fast tokenizers of transformers give them. The Rust library works on
 * threads of its own, so none of this blocks the event loop for the length of a text.
 */
export class TextTokenizer {
  /** Most tokens of a sequence, special ones included; infinite if neither tokenizer nor model say. */
  readonly maxTokens: number;
  readonly padId: number;
  readonly padLeft: boolean;
  readonly unkId: number | undefined;
  readonly maskId: number | undefined;
  readonly maskToken: string | undefined;
  readonly clsId: number | undefined;
  /** Prefix of the tokens inside a word, such as `##`; undefined for models that mark beginnings of words instead. */
  readonly subwordPrefix: string | undefined;
  /** What it is and which file it is from, such as `BertTokenizer of tokenizer.json`. */
  readonly origin: string;
  readonly #library: Library;
  readonly #single: Template;
  readonly #pair: Template;
  readonly #withTypeIds: boolean;
  /** True if a long text loses its beginning. */
  readonly truncateLeft: boolean;
  readonly #splitsHan: boolean;
  readonly #cleansUp: boolean;
  #medianLength: number | undefined;

  readonly #limited: (maxTokens: number) => TextTokenizer;

  private constructor(opened: Opened, resolved: Settings, model: ModelConfig | undefined) {
    const { library, single, pair } = opened;
    this.#limited = (maxTokens) => new TextTokenizer(opened, { ...resolved, maxTokens }, model);
    this.#library = library;
    this.#single = single;
    this.#pair = pair;
    const { special } = resolved;
    const idOf = (token: string | undefined): number | undefined =>
      token === undefined ? undefined : this.idOf(token);
    this.#withTypeIds = resolved.inputNames.includes('token_type_ids');
    this.truncateLeft = resolved.truncationSide === 'left';
    this.#cleansUp = resolved.cleanUpSpaces;
    this.#splitsHan = resolved.splitsHan;
    this.padLeft = resolved.paddingSide === 'left';
    this.maxTokens = Math.min(resolved.maxTokens, model?.maxTokens ?? Number.POSITIVE_INFINITY);
    this.maskToken = special.mask;
    this.unkId = idOf(special.unk);
    this.maskId = idOf(special.mask);
    this.clsId = idOf(special.cls);
    this.padId = idOf(special.pad) ?? 0;
    this.subwordPrefix = resolved.subwordPrefix;
    this.origin = `${resolved.className === '' ? 'a tokenizer' : resolved.className} of ${resolved.source}`;
  }

  /** @throws ModelkeepError `INVALID_ARTIFACT` for a tokenizer that cannot be used */
  static async open(resolved: ResolvedTokenizer, model: ModelConfig | undefined): Promise<TextTokenizer> {
    const library = openLibrary(resolved.json);
    const single = await templateOf(library, false);
    const pair = await templateOf(library, true);
    // The text of the tokenizer is megabytes, which the library has in a form of its own.
    const { json: _, ...settings } = resolved;
    return new TextTokenizer({ library, single, pair }, settings, model);
  }

  /** The same tokenizer with another limit than its files say; what the model itself takes still bounds it. */
  withLimit(maxTokens: number): TextTokenizer {
    return this.#limited(maxTokens);
  }

  /** Id of a token of the vocabulary; undefined if it has none. */
  idOf(token: string): number | undefined {
    return this.#library.tokenToId(token) ?? undefined;
  }

  /** The token of an id, such as `##ing`; empty for an id that is none. */
  tokenOf(id: number): string {
    return this.#library.idToToken(id) ?? '';
  }

  /** True for the id of a token. */
  has(id: number): boolean {
    return this.#library.idToToken(id) !== null;
  }

  /**
   * The middle one of the lengths of all tokens, in code points; the mean of the two in the middle, rounded down. Reads the
   * vocabulary once.
   */
  medianTokenLength(): number {
    this.#medianLength ??= medianLength(this.#library);
    return this.#medianLength;
  }

  /** The text of ids, as `decode` of transformers gives it. */
  async decode(ids: readonly number[], options: { readonly skipSpecial: boolean }): Promise<string> {
    if (ids.length === 0) return '';
    const text = await this.#library.decode([...ids], options.skipSpecial);
    return this.#cleansUp ? cleanUp(text) : text;
  }

  /** Tokens to text, as `convert_tokens_to_string` of transformers gives it. */
  join(tokens: readonly string[]): string {
    return this.#library.getDecoder()?.decode([...tokens]) ?? tokens.join(' ');
  }

  /** Number of special tokens around one text or a pair. */
  added(pair: boolean): number {
    return (pair ? this.#pair : this.#single).added;
  }

  /** Ids of the tokens of a text, without special tokens; at least the first `wanted` of them. */
  async ids(text: string, wanted = Number.POSITIVE_INFINITY, left = this.truncateLeft): Promise<number[]> {
    for (const prefix of this.#prefixes(text, wanted, left)) {
      const encoding = await this.#library.encode(prefix, null, WITHOUT_SPECIAL);
      if (encoding.getLength() > wanted || prefix.length === text.length) return encoding.getIds();
    }
    return [];
  }

  /** Tokens with their places in the text, without special tokens; at least the first `wanted` of them. */
  async aligned(text: string, wanted = Number.POSITIVE_INFINITY): Promise<AlignedText> {
    for (const prefix of this.#prefixes(text, wanted, this.truncateLeft)) {
      const encoding = await this.#library.encode(prefix, null, WITHOUT_SPECIAL);
      if (encoding.getLength() <= wanted && prefix.length < text.length) continue;
      const offsets = encoding.getOffsets();
      return {
        ids: encoding.getIds(),
        starts: offsets.map(([start = 0]) => start),
        ends: offsets.map(([, end = 0]) => end),
        words: encoding.getWordIds().map((word) => word ?? undefined),
      };
    }
    return { ids: [], starts: [], ends: [], words: [] };
  }

  /**
   * Tokens of words that are tokenized one by one, with their places in the words joined by `delimiter`; without special
   * tokens; at least the first `wanted` of them.
   */
  async alignedWords(
    words: readonly string[],
    delimiter: string,
    wanted = Number.POSITIVE_INFINITY,
  ): Promise<AlignedText> {
    // As the library does with words: each has the tokens that it would have alone.
    let count = this.truncateLeft || wanted === Number.POSITIVE_INFINITY ? words.length : wanted + 1;
    for (;;) {
      const encodings = await this.#library.encodeBatch(words.slice(0, count), WITHOUT_SPECIAL);
      const length = encodings.reduce((sum, encoding) => sum + encoding.getLength(), 0);
      if (length > wanted || count >= words.length) return placedIn(words, delimiter, encodings);
      count *= 4;
    }
  }

  #prefixes(text: string, wanted: number, left: boolean): Iterable<string> {
    if (left || wanted === Number.POSITIVE_INFINITY) return [text];
    return prefixesOf(text, wanted, this.#splitsHan);
  }

  /** Puts the special tokens around sequences that are already cut. */
  assemble(a: readonly number[], b?: readonly number[], special = true): Assembled {
    if (!special) return assemble(b === undefined ? BARE : BARE_PAIR, a, b ?? [], this.#withTypeIds);
    return assemble(b === undefined ? this.#single : this.#pair, a, b ?? [], this.#withTypeIds);
  }

  /**
   * Tokenizes a text or a pair, cuts it to the limit and puts the special tokens around it.
   *
   * @throws ModelkeepError `INVALID_INPUT` if the strategy cannot make it fit
   */
  async encode(text: string, pair?: string, options: EncodeOptions = {}): Promise<Assembled> {
    const { special = true } = options;
    const maxTokens = Math.min(options.maxTokens ?? this.maxTokens, this.maxTokens);
    const room = maxTokens - (special ? this.added(pair !== undefined) : 0);
    if (room < 0) throw new ModelkeepError('INVALID_INPUT', `${maxTokens} tokens leave no room for the special tokens`);
    const left = options.side === undefined ? this.truncateLeft : options.side === 'left';
    if (pair === undefined) {
      return this.assemble(kept(await this.ids(text, room, left), room, left), undefined, special);
    }
    let [a, b] = await Promise.all([this.ids(text, room, left), this.ids(pair, room, left)]);
    if (a.length > room && b.length > room) {
      // Which of two long texts gets the odd token depends on their whole lengths.
      [a, b] = await Promise.all([this.ids(text), this.ids(pair)]);
    }
    const lengths = truncatedLengths(a.length, b.length, room, options.strategy ?? 'longest_first');
    if (lengths === undefined) {
      throw new ModelkeepError(
        'INVALID_INPUT',
        `The text that may not be cut is longer than ${room} tokens; shorten it`,
      );
    }
    return this.assemble(kept(a, lengths[0], left), kept(b, lengths[1], left), special);
  }
}

/** What is resolved of a tokenizer, besides the text that the library is opened on. */
type Settings = Omit<ResolvedTokenizer, 'json'>;

/** What is learned of a library before a tokenizer is made of it. */
interface Opened {
  readonly library: Library;
  readonly single: Template;
  readonly pair: Template;
}

function medianLength(library: Library): number {
  const lengths = Object.keys(library.getVocab(true)).map((token) => Array.from(token).length);
  lengths.sort((a, b) => a - b);
  const middle = Math.floor(lengths.length / 2);
  const upper = lengths[middle] ?? 1;
  return Math.floor(lengths.length % 2 === 1 ? upper : (upper + (lengths[middle - 1] ?? upper)) / 2);
}

const WITHOUT_SPECIAL = { addSpecialTokens: false };
/** One text, or a pair, without special tokens. */
const BARE: Template = { parts: [{ sequence: 'a', typeId: 0 }], added: 0 };
const BARE_PAIR: Template = { parts: [...BARE.parts, { sequence: 'b', typeId: 1 }], added: 0 };

/**
 * Opens the tokenizer of a version, as `AutoTokenizer.from_pretrained` of transformers does from the same files.
 *
 * @returns undefined if the version has no tokenizer
 * @throws ModelkeepError `INVALID_ARTIFACT` or `UNSUPPORTED_FORMAT` for one that cannot be used
 */
export async function openTokenizer(
  files: VersionFiles,
  model: ModelConfig | undefined,
): Promise<TextTokenizer | undefined> {
  const resolved = await resolveTokenizer(files, model);
  return resolved && TextTokenizer.open(resolved, model);
}
