import { array, assert, constantFrom, oneof, property, string } from 'fast-check';
import { Tokenizer as LibraryTokenizer } from '@huggingface/tokenizers';
import { describe, expect, test } from 'vitest';
import { charsMapNormalizer } from '../../../src/tasks/tokenizer/charsmap.js';
import { cacheWords } from '../../../src/tasks/tokenizer/word-cache.js';
import { splitTokenizer } from '../../../src/formats/vocabulary.js';
import { openLibrary } from '../../../src/tasks/tokenizer/library.js';
import { golden, goldenRows } from './directory-files.js';

type Json = Readonly<Record<string, unknown>>;

interface Step {
  readonly precompiled_charsmap?: string;
  readonly normalizers?: readonly Step[];
}

function charsMapOf(step: Step): string | undefined {
  return step.precompiled_charsmap ?? step.normalizers?.map(charsMapOf).find((map) => map !== undefined);
}

/** Texts that mix plain ASCII with what joins, combines, and is replaced. */
const text = array(
  oneof(
    string({ unit: constantFrom(' ', 'a', 'Z', '0', '.', '~'), maxLength: 12 }),
    string({ unit: 'grapheme', maxLength: 4 }),
    constantFrom('é', 'e\u0301', '\u0301', '\r\n', '👩‍👩‍👧', 'ﬁ', '\u0600', '漢字', '\u200d', '\u00a0', '…', '½', '\t'),
  ),
  { maxLength: 12 },
).map((parts) => parts.join(''));

describe('short cuts change no token', () => {
  test.each(['sentiment/v2', 'archs/electra', 'tasks/ner'])('of %s', (folder) => {
    const json = golden<Json>(`${folder}/tokenizer.json`);
    const config = golden<Json>(`${folder}/tokenizer_config.json`);
    const plain = new LibraryTokenizer(json, config) as unknown as ReturnType<typeof openLibrary>;
    const split = splitTokenizer(JSON.stringify(json));
    expect(split.vocabulary?.size).toBeGreaterThan(100);
    const short = openLibrary({ ...split, json: split.json as Json, config });
    const tokens = (library: typeof plain, of: string) => library.tokenize(of, { add_special_tokens: false });
    const texts = goldenRows<{ text: string }>('sentiment/eval.jsonl').map((row) => row.text);
    for (const each of texts) expect(tokens(short, each)).toEqual(tokens(plain, each));
    assert(
      property(text, (each) => {
        expect(tokens(short, each)).toEqual(tokens(plain, each));
      }),
      { numRuns: 300 },
    );
  });

  test.each(['archs/xlm-roberta', 'archs/camembert'])('of the character map of %s', (folder) => {
    const json = golden<Json>(`${folder}/tokenizer.json`);
    const map = charsMapOf(json['normalizer'] as Step);
    if (map === undefined) throw new Error(`${folder} has no character map`);
    const normalize = charsMapNormalizer(map);
    const graphemes = new Intl.Segmenter('und', { granularity: 'grapheme' });
    // One grapheme alone never takes the short cut, which needs three characters of ASCII.
    const slowly = (of: string): string =>
      Array.from(graphemes.segment(of), ({ segment }) => normalize(segment)).join('');
    assert(
      property(text, (each) => {
        expect(normalize(each)).toBe(slowly(each));
      }),
      { numRuns: 1_000 },
    );
  });
});

describe('the cache of words', () => {
  test('asks once for a word, gives its tokens again, and forgets what was not used for long', () => {
    const asked: string[] = [];
    const model = {
      encode: (words: readonly string[]) => {
        asked.push(...words);
        return words.flatMap((word) => [word, `##${word}`]);
      },
    };
    cacheWords(model);
    expect(model.encode(['a', 'b', 'a'])).toEqual(['a', '##a', 'b', '##b', 'a', '##a']);
    expect(asked).toEqual(['a', 'b']);
    const many = Array.from({ length: 20_001 }, (_, i) => `w${i}`);
    expect(model.encode(many)).toHaveLength(40_002);
    model.encode(['b']);
    expect(asked.filter((word) => word === 'b')).toHaveLength(2);
    model.encode(['w20000']);
    expect(asked.filter((word) => word === 'w20000')).toHaveLength(1);
    const long = 'x'.repeat(41);
    model.encode([long, long]);
    expect(asked.filter((word) => word === long)).toHaveLength(2);
  });
});
