/** Words of one generation: some megabytes, and more than the common words of a language. */
const GENERATION_WORDS = 10_000;
/** Longest word that is kept, in UTF-16 units: longer ones hardly come twice. */
const LONGEST_WORD = 40;

/** A model of the library: words in, tokens out. */
export interface WordModel {
  encode(words: readonly string[]): string[];
}

/**
 * Remembers the tokens of words, for models that look at each word on its own (WordPiece, Unigram): most words of a
 * text were seen before, and matching one against the vocabulary is the largest part of tokenizing. Exact, as the same
 * word always has the same tokens. Bounded by two generations: what is used moves to the younger, and when that is
 * full the older is dropped.
 */
export function cacheWords(model: WordModel): void {
  const encode = model.encode.bind(model);
  let young = new Map<string, readonly string[]>();
  let old: ReadonlyMap<string, readonly string[]> = new Map();
  const tokensOf = (word: string): readonly string[] => {
    if (word.length > LONGEST_WORD) return encode([word]);
    let tokens = young.get(word);
    if (tokens !== undefined) return tokens;
    tokens = old.get(word) ?? encode([word]);
    if (young.size >= GENERATION_WORDS) {
      old = young;
      young = new Map();
    }
    young.set(word, tokens);
    return tokens;
  };
  model.encode = (words) => {
    const all: string[] = [];
    for (const word of words) for (const token of tokensOf(word)) all.push(token);
    return all;
  };
}
