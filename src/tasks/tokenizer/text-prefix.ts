/** Characters for each token wanted at the first try: most texts have fewer. */
const CHARACTERS_A_TOKEN = 8;
/** Shortest text that is worth cutting, in UTF-16 code units. */
const SHORTEST_CUT = 4_096;

/** White space between two letters or digits: every supported pre-tokenizer splits here, whatever follows. */
const BOUNDARY = /[\p{L}\p{N}][ \n][\p{L}\p{N}]/gu;
/** Between two Chinese characters: `BertNormalizer` puts spaces around each. */
const HAN_BOUNDARY = /[\u4e00-\u9fff](?=[\u4e00-\u9fff])/g;

function lastMatchEnd(text: string, from: number, to: number, pattern: RegExp): number | undefined {
  let end: number | undefined;
  for (const match of text.slice(from, to).matchAll(pattern)) {
    end = from + match.index + ((match[0].codePointAt(0) ?? 0) > 0xffff ? 2 : 1);
  }
  return end;
}

/**
 * Growing beginnings of a long text, each ending where a word ends, the last being the text itself. Tokenizing such a
 * beginning gives the beginning of the tokens of the whole, so a text of a megabyte need not be tokenized for the
 * 128 tokens that the model can take.
 *
 * @param tokens tokens wanted
 * @param splitsHan true if the tokenizer separates Chinese characters from each other
 */
export function* prefixesOf(text: string, tokens: number, splitsHan: boolean): Generator<string> {
  let size = Math.max(SHORTEST_CUT, tokens * CHARACTERS_A_TOKEN);
  while (size * 2 < text.length) {
    const from = Math.max(0, size - 1_024);
    const end =
      lastMatchEnd(text, from, size, BOUNDARY) ??
      (splitsHan ? lastMatchEnd(text, from, size, HAN_BOUNDARY) : undefined);
    if (end !== undefined) yield text.slice(0, end);
    size *= 4;
  }
  yield text;
}
