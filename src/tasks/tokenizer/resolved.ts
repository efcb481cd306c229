/** Names of the special tokens that a tokenizer may have, as transformers calls them without `_token`. */
export type SpecialName = 'unk' | 'cls' | 'sep' | 'pad' | 'mask' | 'bos' | 'eos';

/** The special tokens that have names, in the order in which transformers adds them to a vocabulary. */
export const SPECIAL_NAMES = Object.freeze(['bos', 'eos', 'unk', 'sep', 'pad', 'cls', 'mask'] as const);

/**
 * The tokenizer of a version, as `AutoTokenizer.from_pretrained` of transformers makes it from the same files: every
 * setting of the other files is already in {@link ResolvedTokenizer.json}.
 */
export interface ResolvedTokenizer {
  /** A complete tokenizer.json, without truncation and padding. */
  readonly json: string;
  /** The class that transformers takes, such as `BertTokenizer`; no `Fast` at its end. */
  readonly className: string;
  /** The file that the vocabulary is from, such as `tokenizer.json` or `vocab.txt`. */
  readonly source: string;
  /** The special tokens that have names. Each is a token of the vocabulary or an added token. */
  readonly special: Readonly<Partial<Record<SpecialName, string>>>;
  /** Most tokens of a sequence, as the tokenizer's own files say, special ones included; infinite if they do not. */
  readonly maxTokens: number;
  /** The side at which a text that is too long loses tokens. */
  readonly truncationSide: 'left' | 'right';
  /** The side at which a short text is filled up in a batch. */
  readonly paddingSide: 'left' | 'right';
  /** What the tokenizer gives to the model, such as `input_ids` and `token_type_ids`. */
  readonly inputNames: readonly string[];
  /** Prefix of the tokens inside a word, such as `##`; absent for models that mark beginnings of words instead. */
  readonly subwordPrefix?: string | undefined;
  /** True if the normaliser sets Chinese characters apart from each other. */
  readonly splitsHan: boolean;
  /** Whether `decode` takes spaces before punctuation away (`clean_up_tokenization_spaces`). */
  readonly cleanUpSpaces: boolean;
  /** What is odd about the files but does not forbid them, as sentences. */
  readonly warnings: readonly string[];
}
