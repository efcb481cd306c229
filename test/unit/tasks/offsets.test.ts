import { assert, asyncProperty, string } from 'fast-check';
import { describe, expect, test } from 'vitest';
import { openTokenizer, type TextTokenizer } from '../../../src/tasks/tokenizer/tokenizer.js';
import { fixtureFiles, golden, goldenRows } from './directory-files.js';

async function open(folder: string): Promise<TextTokenizer> {
  const tokenizer = await openTokenizer(fixtureFiles(folder), undefined);
  if (tokenizer === undefined) throw new Error(`${folder} has no tokenizer`);
  return tokenizer;
}

const pairsOf = ({ starts, ends }: { readonly starts: readonly number[]; readonly ends: readonly number[] }) =>
  starts.map((start, i) => [start, ends[i]]);

interface Raw {
  readonly text?: string;
  readonly question?: string;
  readonly context?: string;
  readonly input_ids: number[];
  readonly offsets: [number, number][];
}

describe('places of tokens', () => {
  test.each(['ner', 'qa'])('are those of the Rust library in %s', async (task) => {
    const tokenizer = await open(`tasks/${task}`);
    for (const raw of golden<{ raw: Raw[] }>(`tasks/${task}/golden.json`).raw) {
      const parts = [raw.text, raw.question, raw.context].filter((part) => part !== undefined);
      const found = await Promise.all(parts.map((part) => tokenizer.aligned(part)));
      const expected = raw.offsets.filter((_, i) => ![2, 3].includes(raw.input_ids[i] ?? 0));
      const room = expected.length;
      expect(found.flatMap(pairsOf).slice(0, room)).toEqual(expected);
    }
  });

  const FOLDERS = ['bert', 'distilbert', 'electra', 'roberta', 'xlm-roberta', 'camembert'];
  test.each(FOLDERS)('the tokens of %s are the same with places as without', async (name) => {
    const tokenizer = await open(`archs/${name}`);
    for (const { text } of goldenRows<{ text: string }>(`archs/${name}/golden.jsonl`)) {
      const aligned = await tokenizer.aligned(text);
      expect(aligned.ids).toEqual(await tokenizer.ids(text));
    }
  });

  test.each(FOLDERS)('places of %s stay in the text and never go back', async (name) => {
    const tokenizer = await open(`archs/${name}`);
    await assert(
      asyncProperty(string({ unit: 'grapheme', maxLength: 40 }), async (text) => {
        const { starts, ends } = await tokenizer.aligned(text);
        const length = Array.from(text).length;
        starts.forEach((start, i) => {
          expect(start).toBeLessThanOrEqual(ends[i] ?? -1);
          expect(ends[i]).toBeLessThanOrEqual(length);
          expect(start).toBeGreaterThanOrEqual(starts[i - 1] ?? 0);
        });
      }),
      { numRuns: 200, seed: 7 },
    );
  });

  test('plain words lie where they are, in every kind of tokenizer', async () => {
    const text = 'The movie was good 😀 and naïve';
    for (const name of FOLDERS) {
      const tokenizer = await open(`archs/${name}`);
      const { starts, ends, words } = await tokenizer.aligned(text);
      const characters = Array.from(text);
      const spans = new Map<number | undefined, readonly [number, number]>();
      // Two tokens may be bytes of one character, so a word is what lies between its outermost places.
      words.forEach((word, i) => spans.set(word, [spans.get(word)?.[0] ?? starts[i] ?? 0, ends[i] ?? 0]));
      const spelled = Array.from(spans.values(), ([start, end]) => characters.slice(start, end).join('').trim());
      const seen = spelled.filter((word) => word !== '');
      expect([name, seen]).toEqual([name, ['The', 'movie', 'was', 'good', '😀', 'and', 'naïve']]);
    }
  });

  test('a combining mark belongs to the letter before it', async () => {
    const tokenizer = await open('archs/bert');
    const { starts, ends } = await tokenizer.aligned('e\u0301 x');
    expect([starts[0], ends.at(-1)]).toEqual([0, 4]);
  });

  test('a megabyte of special tokens takes no time to speak of', async () => {
    const tokenizer = await open('tasks/ner');
    const start = performance.now();
    const { ids, starts, ends } = await tokenizer.aligned('😀[MASK] '.repeat(110_000));
    expect(performance.now() - start).toBeLessThan(30_000);
    expect(ids.slice(1, 2)).toEqual([4]);
    expect([starts[1], ends[1]]).toEqual([1, 7]);
    expect(ends.at(-1)).toBe(110_000 * 8 - 1);
  });
});
