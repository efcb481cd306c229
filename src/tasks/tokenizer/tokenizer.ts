import { ModelkeepError, type VersionFiles } from '../../core/index.js';
import type { JsonObject } from '../json-file.js';
import type { ModelConfig } from '../model-config.js';
import { alignTokens, type AlignedText } from './align.js';
import { readTokenizerFiles, type TokenizerFiles } from './files.js';
import { openLibrary, type Library } from './library.js';
import { assemble, templateOf, type Assembled, type Template } from './template.js';
import { prefixesOf } from './text-prefix.js';
import { kept, truncatedLengths, type TruncationStrategy } from './truncate.js';

/** Tokens of a batch without a declared limit: `model_max_length` above this is transformers' "no limit" value. */
const NO_LIMIT = 1_000_000;

/** Tokenizer classes whose models take no segment ids (`model_input_names` of the classes in transformers 4.46). */
const WITHOUT_TYPE_IDS =
  /^(DistilBert|Roberta|XLMRoberta|Camembert|MPNet|Longformer|Bart|Barthez|MBart|Bloom|GPT2|LED|Blenderbot|Llama|Qwen2)Tokenizer/;

/** How a text or pair is to be cut. */
export interface EncodeOptions {
  /** Most tokens with special ones. @defaultValue the tokenizer's limit */
  readonly maxTokens?: number;
  /** @defaultValue 'longest_first' */
  readonly strategy?: TruncationStrategy;
}

/**
 * A tokenizer of a version: text in, ids out, as the fast tokenizers of transformers give them.
 */
export class TextTokenizer {
  /** Most tokens of a sequence, special ones included; infinite if neither tokenizer nor model say. */
  readonly maxTokens: number;
  readonly padId: number;
  readonly padLeft: boolean;
  readonly unkId: number | undefined;
  readonly unkToken: string | undefined;
  readonly maskId: number | undefined;
  readonly maskToken: string | undefined;
  readonly clsId: number | undefined;
  readonly sepId: number | undefined;
  /** Prefix of the tokens inside a word, such as `##`; undefined for models that mark beginnings of words instead. */
  readonly subwordPrefix: string | undefined;
  /** Ids that stand for no text. */
  readonly specialIds: ReadonlySet<number>;
  readonly #lib: Library;
  readonly #single: Template;
  readonly #pair: Template;
  readonly #withTypeIds: boolean;
  readonly #truncateLeft: boolean;
  readonly #splitsHan: boolean;
  readonly #config: JsonObject;

  constructor(files: TokenizerFiles, model: ModelConfig | undefined) {
    const { json, config } = files;
    this.#lib = openLibrary(files);
    this.#config = config;
    const post = this.#lib.post_processor;
    const idOf = (token: string): number => this.idOf(token) ?? 0;
    this.#single = templateOf(post, false, idOf);
    this.#pair = templateOf(post, true, idOf);
    const names = config['model_input_names'];
    const className = typeof config['tokenizer_class'] === 'string' ? config['tokenizer_class'] : '';
    this.#withTypeIds = Array.isArray(names) ? names.includes('token_type_ids') : !WITHOUT_TYPE_IDS.test(className);
    this.#truncateLeft = config['truncation_side'] === 'left';
    this.padLeft = config['padding_side'] === 'left';
    const declared = config['model_max_length'];
    const limit = typeof declared === 'number' && declared < NO_LIMIT ? declared : Number.POSITIVE_INFINITY;
    this.maxTokens = Math.min(limit, model?.maxTokens ?? Number.POSITIVE_INFINITY);
    this.unkToken = tokenText(config['unk_token']);
    this.maskToken = tokenText(config['mask_token']);
    this.unkId = this.#special('unk_token');
    this.maskId = this.#special('mask_token');
    this.clsId = this.#special('cls_token');
    this.sepId = this.#special('sep_token');
    this.padId = this.#special('pad_token') ?? 0;
    const modelJson = json['model'] as JsonObject;
    const prefix = modelJson['continuing_subword_prefix'];
    this.subwordPrefix = typeof prefix === 'string' && prefix !== '' ? prefix : undefined;
    this.#splitsHan = (json['normalizer'] as JsonObject | null)?.['handle_chinese_chars'] === true;
    const named = ['unk_token', 'mask_token', 'cls_token', 'sep_token', 'pad_token', 'bos_token', 'eos_token'];
    this.specialIds = new Set(named.flatMap((name) => this.#special(name) ?? []));
  }

  #special(name: string): number | undefined {
    const token = tokenText(this.#config[name]);
    return token === undefined ? undefined : this.idOf(token);
  }

  /** Id of a token of the vocabulary; undefined if it has none. */
  idOf(token: string): number | undefined {
    return this.#lib.token_to_id(token);
  }

  /** The token of an id, such as `##ing`. */
  tokenOf(id: number): string {
    return this.#lib.id_to_token(id) ?? this.unkToken ?? '';
  }

  /** True for the id of a token. */
  has(id: number): boolean {
    return this.#lib.id_to_token(id) !== undefined;
  }

  /** The text of ids, as `decode` of transformers gives it. */
  decode(ids: readonly number[], options: { readonly skipSpecial: boolean }): string {
    if (ids.length === 0) return '';
    return this.#lib.decode([...ids], { skip_special_tokens: options.skipSpecial });
  }

  /** Tokens to text, as `convert_tokens_to_string` of transformers gives it. */
  join(tokens: readonly string[]): string {
    return this.#lib.decoder === null ? tokens.join(' ') : this.#lib.decoder([...tokens]);
  }

  /** Number of special tokens around one text or a pair. */
  added(pair: boolean): number {
    return (pair ? this.#pair : this.#single).added;
  }

  /** Ids of the tokens of a text, without special tokens; at least the first `wanted` of them. */
  ids(text: string, wanted = Number.POSITIVE_INFINITY): number[] {
    if (this.#truncateLeft || wanted === Number.POSITIVE_INFINITY) return this.#idsOf(text);
    for (const prefix of prefixesOf(text, wanted, this.#splitsHan)) {
      const ids = this.#idsOf(prefix);
      if (ids.length > wanted || prefix.length === text.length) return ids;
    }
    return [];
  }

  #idsOf(text: string): number[] {
    const unk = this.unkId ?? 0;
    return this.#lib.tokenize(text, { add_special_tokens: false }).map((token) => this.idOf(token) ?? unk);
  }

  /** Tokens with their places in the text, without special tokens; at least the first `wanted` of them. */
  aligned(text: string, wanted = Number.POSITIVE_INFINITY): AlignedText {
    const finite = !this.#truncateLeft && wanted !== Number.POSITIVE_INFINITY;
    for (const prefix of finite ? prefixesOf(text, wanted, this.#splitsHan) : [text]) {
      const found = alignTokens(this.#lib, prefix, this.unkId ?? 0);
      if (found.ids.length > wanted || prefix.length === text.length) return found;
    }
    return alignTokens(this.#lib, text, this.unkId ?? 0);
  }

  /** Puts the special tokens around sequences that are already cut. */
  assemble(a: readonly number[], b?: readonly number[]): Assembled {
    return assemble(b === undefined ? this.#single : this.#pair, a, b ?? [], this.#withTypeIds);
  }

  /**
   * Tokenizes a text or a pair, cuts it to the limit and puts the special tokens around it.
   *
   * @throws ModelkeepError `INVALID_INPUT` if the strategy cannot make it fit
   */
  encode(text: string, pair?: string, options: EncodeOptions = {}): Assembled {
    const maxTokens = options.maxTokens ?? this.maxTokens;
    const room = maxTokens - this.added(pair !== undefined);
    if (room < 0) throw new ModelkeepError('INVALID_INPUT', `${maxTokens} tokens leave no room for the special tokens`);
    const left = this.#truncateLeft;
    if (pair === undefined) return this.assemble(kept(this.ids(text, room), room, left));
    let a = this.ids(text, room);
    let b = this.ids(pair, room);
    if (a.length > room && b.length > room) {
      // Which of two long texts gets the odd token depends on their whole lengths.
      a = this.ids(text);
      b = this.ids(pair);
    }
    const lengths = truncatedLengths(a.length, b.length, room, options.strategy ?? 'longest_first');
    if (lengths === undefined) {
      throw new ModelkeepError(
        'INVALID_INPUT',
        `The text that may not be cut is longer than ${room} tokens; shorten it`,
      );
    }
    return this.assemble(kept(a, lengths[0], left), kept(b, lengths[1], left));
  }
}

function tokenText(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  if (typeof value !== 'object' || value === null) return undefined;
  const content = (value as JsonObject)['content'];
  return typeof content === 'string' ? content : undefined;
}

/**
 * Opens the tokenizer of a version: `tokenizer.json`, or one built from `vocab.txt` or `vocab.json` and `merges.txt`.
 * Truncation and padding settings carried in `tokenizer.json` are ignored, as transformers overrides them.
 *
 * @returns undefined if the version has no tokenizer
 * @throws ModelkeepError `INVALID_ARTIFACT` or `UNSUPPORTED_FORMAT` for one that cannot be used
 */
export async function openTokenizer(
  files: VersionFiles,
  model: ModelConfig | undefined,
): Promise<TextTokenizer | undefined> {
  const found = await readTokenizerFiles(files, model);
  return found && new TextTokenizer(found, model);
}
