import { describe, expect, it } from 'vitest';
import { countWords, textSize } from '../../../src/serving/text-length.js';
import { openTokenizer } from '../../../src/tasks/tokenizer/tokenizer.js';
import { fixtureFiles, goldenRows } from '../tasks/directory-files.js';

function sum(values: readonly number[]): number {
  return values.reduce((all, one) => all + one, 0);
}

describe('the length of a text', () => {
  it.each([
    ['', 0],
    ['   ', 0],
    ['fine', 1],
    ['It was fine.', 4],
    ["don't", 3],
    // 17 letters: ten more than a usual token has.
    ['unbelievablenesss', 3],
    ['漢字かな', 4],
    ['naïve Ünïcode', 2],
    ['👍', 2],
  ])('%j is %d words and signs', (text, count) => {
    expect(countWords(text)).toBe(count);
  });

  it('of a very long one is that of its beginning, enlarged', () => {
    expect(countWords('word '.repeat(1_000_000))).toBeCloseTo(1_000_000, -4);
  });

  it('is near the number of its tokens', async () => {
    const tokenizer = await openTokenizer(fixtureFiles('sentiment/v2'), undefined);
    if (tokenizer === undefined) throw new Error('The fixture has a tokenizer');
    const texts = goldenRows<{ text: string }>('sentiment/eval.jsonl').map(({ text }) => text);
    const tokens = await Promise.all(texts.map(async (text) => (await tokenizer.ids(text)).length));
    const words = texts.map(countWords);
    const ratio = sum(tokens) / sum(words);
    const error = sum(tokens.map((one, i) => Math.abs(one - ratio * (words[i] ?? 0)))) / sum(tokens);
    expect(error).toBeLessThan(0.15);
  });
});

describe('the size of a request', () => {
  it.each([
    ['a text', 'It was fine.', { longest: 4, total: 4, sequences: 1 }],
    ['a list, each element a sequence', ['one', 'one two'], { longest: 2, total: 3, sequences: 2 }],
    ['a pair, which is one sequence', { text: 'one', text_pair: 'two' }, { longest: 2, total: 2, sequences: 1 }],
    ['nothing at all', undefined, { longest: 0, total: 0, sequences: 1 }],
    ['an empty list', [], { longest: 0, total: 0, sequences: 1 }],
    ['no text', [1, null], { longest: 0, total: 0, sequences: 2 }],
  ])('is that of %s', (_what, inputs, size) => {
    expect(textSize(inputs)).toEqual(size);
  });
});
