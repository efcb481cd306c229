/** A token that is found in a text before the model of the tokenizer sees it, as `AddedToken` of transformers. */
export interface AddedToken {
  readonly content: string;
  readonly single_word: boolean;
  readonly lstrip: boolean;
  readonly rstrip: boolean;
  /** Whether it is searched in the normalised text. Undefined: special tokens are not. */
  readonly normalized?: boolean | undefined;
  readonly special: boolean;
}

/** A special token as settings have it: its text alone, or with all that an added token has. */
export type Token = string | AddedToken;

/** Marks of an added token that differ from the usual ones. */
export type TokenMarks = Partial<Omit<AddedToken, 'content'>>;

/** An added token with the usual marks, but for those given. */
export function addedToken(content: string, marks: TokenMarks = {}): AddedToken {
  return { content, single_word: false, lstrip: false, rstrip: false, special: false, ...marks };
}

/** The text of a token. */
export function textOf(token: Token): string {
  return typeof token === 'string' ? token : token.content;
}

function isNormalized({ normalized, special }: AddedToken): boolean {
  return normalized ?? !special;
}

function isSame(a: AddedToken, b: AddedToken): boolean {
  return (
    a.content === b.content &&
    a.single_word === b.single_word &&
    a.lstrip === b.lstrip &&
    a.rstrip === b.rstrip &&
    isNormalized(a) === isNormalized(b) &&
    a.special === b.special
  );
}

/** What the added vocabulary asks of the vocabulary below it. */
export interface BaseVocabulary {
  idOf(token: string): number | undefined;
  /** Number of distinct tokens. */
  readonly size: number;
}

/**
 * The added tokens of a tokenizer and their ids, as `AddedVocabulary` of the Rust library gives them: a token of the
 * vocabulary keeps its id, others follow the last id. The library gives ids by this rule also when it reads
 * tokenizer.json, whatever ids the file has.
 */
export class AddedVocabulary {
  readonly #base: BaseVocabulary;
  readonly #ids = new Map<string, number>();
  readonly #tokens = new Map<number, AddedToken>();
  readonly #special = new Set<string>();
  #largest = -1;

  constructor(base: BaseVocabulary) {
    this.#base = base;
  }

  /** Adds a token, or gives the one with its text these marks. @returns its id; undefined for an empty text */
  add(token: AddedToken): number | undefined {
    if (token.content === '') return undefined;
    const id = this.idOf(token.content) ?? this.next;
    // What was special once is left out of decoded texts for ever.
    if (token.special) this.#special.add(token.content);
    this.#ids.set(token.content, id);
    this.#tokens.set(id, token);
    this.#largest = Math.max(this.#largest, id);
    return id;
  }

  /** The id that the next token gets which the vocabulary does not have. */
  get next(): number {
    return Math.max(this.#largest + 1, this.#base.size);
  }

  /** The id of a token, added or of the vocabulary. */
  idOf(token: string): number | undefined {
    return this.#ids.get(token) ?? this.#base.idOf(token);
  }

  /** Whether a token with this text was added. */
  hasText(token: string): boolean {
    return this.#ids.has(token);
  }

  /** Whether a token with this text and these marks was added. */
  has(token: AddedToken): boolean {
    const id = this.#ids.get(token.content);
    const known = id === undefined ? undefined : this.#tokens.get(id);
    return known !== undefined && isSame(known, token);
  }

  /** The tokens with their ids, as tokenizer.json lists them. */
  list(): (AddedToken & { readonly id: number })[] {
    return [...this.#tokens]
      .toSorted(([a], [b]) => a - b)
      .map(([id, token]) => ({
        id,
        ...token,
        normalized: isNormalized(token),
        special: this.#special.has(token.content),
      }));
  }
}

/** Whether `tokens` has this one: a text equals a text only, an added token one with the same marks. */
export function includesToken(tokens: readonly Token[], token: Token): boolean {
  return tokens.some((each) =>
    typeof each === 'string' || typeof token === 'string' ? each === token : isSame(each, token),
  );
}
