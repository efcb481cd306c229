/** What `clean_up_tokenization` of transformers takes out of a decoded text: the space before these. */
const SPACES: readonly (readonly [string, string])[] = [
  [' .', '.'],
  [' ?', '?'],
  [' !', '!'],
  [' ,', ','],
  [" ' ", "'"],
  [" n't", "n't"],
  [" 'm", "'m"],
  [" 's", "'s"],
  [" 've", "'ve"],
  [" 're", "'re"],
];

/** Joins punctuation and short forms of English with the word before them, as transformers does after decoding. */
export function cleanUp(text: string): string {
  return SPACES.reduce((cleaned, [apart, joined]) => cleaned.replaceAll(apart, joined), text);
}
