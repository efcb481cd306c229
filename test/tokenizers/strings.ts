/**
 * Strings that show how a tokenizer treats Unicode: real texts, every kind of block, special tokens inside of texts,
 * white space and control characters. The same seed gives the same strings.
 */

/** A generator of numbers from 0 to 1, by a 32-bit state (mulberry32, public domain). */
export function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** First and last code points of blocks that tokenizers treat each in its own way. */
const BLOCKS: readonly (readonly [number, number])[] = [
  [0x20, 0x7e],
  [0xa0, 0xff],
  [0x100, 0x24f],
  [0x250, 0x2ff],
  [0x300, 0x36f],
  [0x370, 0x3ff],
  [0x400, 0x4ff],
  [0x530, 0x58f],
  [0x590, 0x5ff],
  [0x600, 0x6ff],
  [0x900, 0x97f],
  [0xe00, 0xe7f],
  [0x1100, 0x11ff],
  [0x1e00, 0x1fff],
  [0x2000, 0x206f],
  [0x2070, 0x20cf],
  [0x2100, 0x218f],
  [0x2190, 0x22ff],
  [0x2460, 0x24ff],
  [0x2600, 0x27bf],
  [0x3000, 0x30ff],
  [0x3200, 0x33ff],
  [0x3400, 0x3500],
  [0x4e00, 0x9fff],
  [0xac00, 0xd7a3],
  [0xf900, 0xfaff],
  [0xfb00, 0xfdff],
  [0xfe00, 0xfe6f],
  [0xff00, 0xffef],
  [0xfff0, 0xffff],
  [0x1d400, 0x1d7ff],
  [0x1f300, 0x1f6ff],
  [0x1f900, 0x1f9ff],
  [0x20000, 0x20100],
  [0xe0000, 0xe007f],
  [0xf0000, 0xf0010],
];

/** What is odd as it stands. */
const PIECES: readonly string[] = [
  ' ',
  '  ',
  '\t',
  '\n',
  '\r\n',
  '\u0000',
  '\u0001',
  '\u001f',
  '\u007f',
  '\u0085',
  '\u00a0',
  '\u00ad',
  '\u200b',
  '\u200d',
  '\u2028',
  '\u2581',
  '\u3000',
  '\ufeff',
  '\ufffd',
  'e\u0301',
  'n\u0303\u0323',
  'ﬁ',
  'İ',
  'ß',
  'ς',
  '…',
  '½',
  '㎏',
  '👩‍👩‍👧‍👦',
  '🇩🇪',
  '👍🏽',
  "don't",
  "it's",
  'U.S.A.',
  '3,141.59',
  'a_b-c/d',
  'http://example.org/?q=1&r=2',
  '##ing',
  '##',
  'Ġthe',
  '▁the',
  '[UNK]',
  '<s>',
  'x'.repeat(120),
];

/** Makes `count` strings. @param special tokens of the tokenizer, put into texts; @param texts real ones to begin with */
export function* strings(
  seed: number,
  count: number,
  special: readonly string[],
  texts: readonly string[],
): Generator<string> {
  const random = randomOf(seed);
  const below = (bound: number): number => Math.floor(random() * bound);
  const pick = <T>(of: readonly T[]): T => of[below(of.length)]!;
  const fromBlock = (): string => {
    const [first, last] = pick(BLOCKS);
    const code = first + below(last - first + 1);
    return code >= 0xd800 && code <= 0xdfff ? 'a' : String.fromCodePoint(code);
  };
  const run = (): string => {
    const [first, last] = pick(BLOCKS);
    return Array.from({ length: 1 + below(8) }, () => {
      const code = first + below(last - first + 1);
      return code >= 0xd800 && code <= 0xdfff ? 'a' : String.fromCodePoint(code);
    }).join('');
  };
  const makers: readonly (() => string)[] = [
    fromBlock,
    run,
    run,
    () => pick(PIECES),
    () => pick(PIECES),
    () => (special.length === 0 ? '' : pick(special)),
    () => pick(texts).slice(0, 1 + below(40)),
    () => pick(texts).split(' ')[below(6)] ?? '',
  ];
  for (let made = 0; made < count; made++) {
    if (made % 4 === 0) {
      yield pick(texts);
      continue;
    }
    const parts = Array.from({ length: 1 + below(10) }, () => pick(makers)());
    yield parts.join(random() < 0.5 ? ' ' : '');
  }
}
