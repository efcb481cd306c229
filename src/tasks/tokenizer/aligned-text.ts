import type { Library } from './library.js';

/** Tokens of a text with their places. All lists have one entry a token. */
export interface AlignedText {
  readonly ids: readonly number[];
  /** First Unicode code point of each token in the original text. */
  readonly starts: readonly number[];
  /** Code point behind the last one of each token. */
  readonly ends: readonly number[];
  /** Number of the word (pre-token) that each token belongs to. */
  readonly words: readonly (number | undefined)[];
}

type Encoded = Awaited<ReturnType<Library['encode']>>;

/**
 * The tokens of words with their places in the text that the words make together.
 *
 * @param encodings those of the first words, one each
 */
export function placedIn(words: readonly string[], delimiter: string, encodings: readonly Encoded[]): AlignedText {
  const between = Array.from(delimiter).length;
  const text = { ids: [] as number[], starts: [] as number[], ends: [] as number[], words: [] as number[] };
  let begin = 0;
  encodings.forEach((encoding, word) => {
    for (const id of encoding.getIds()) text.ids.push(id);
    for (const [start = 0, end = 0] of encoding.getOffsets()) {
      text.starts.push(begin + start);
      text.ends.push(begin + end);
      text.words.push(word);
    }
    begin += Array.from(words[word] ?? '').length + between;
  });
  return text;
}
