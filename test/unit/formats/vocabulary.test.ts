import { getHeapStatistics } from 'node:v8';
import { assert, constantFrom, dictionary, nat, property, record, string, uniqueArray } from 'fast-check';
import { describe, expect, test } from 'vitest';
import { splitTokenizer } from '../../../src/formats/vocabulary.js';
import { collectGarbage } from '../garbage.js';

/** What `JSON.parse` makes of the text, with the vocabulary apart. */
function whole(text: string): unknown {
  const json = JSON.parse(text) as { model: { vocab: Record<string, unknown> } };
  const ids = json.model.vocab;
  json.model.vocab = {};
  return { json, ids };
}

/** Bytes of the JavaScript heap that are in use. */
function used(): number {
  // The engine remembers the text that a pattern was matched with last.
  /./.test('another');
  collectGarbage();
  return getHeapStatistics().used_heap_size;
}

function split(text: string): unknown {
  const { json, vocabulary } = splitTokenizer(text);
  return { json, ids: Object.fromEntries(vocabulary ?? []) };
}

describe('the vocabulary of a tokenizer.json', () => {
  test('is what JSON.parse reads, however it is written', () => {
    const token = string({ unit: 'grapheme', maxLength: 8 });
    const odd = constantFrom('"', '\\', '"vocab": {', '}', '{', 'a"b', '\u0000', '\ud800', '漢', ':1,', 'vocab');
    const vocabulary = uniqueArray(token, { maxLength: 20 }).chain((tokens) =>
      uniqueArray(odd, { maxLength: 5 }).map((odds) =>
        Object.fromEntries([...new Set([...tokens, ...odds])].map((each, id) => [each, id])),
      ),
    );
    const filled = vocabulary.filter((each) => Object.keys(each).length > 0);
    const tokenizer = record({
      version: string(),
      rest: dictionary(string({ maxLength: 4 }), string()),
      model: record({ type: constantFrom('WordPiece', 'BPE'), vocab: filled }),
    });
    assert(
      property(tokenizer, nat({ max: 3 }), (each, indent) => {
        const text = JSON.stringify(each, undefined, indent);
        expect(split(text)).toEqual(whole(text));
      }),
      { numRuns: 500 },
    );
  });

  test('has the last id of a token that is there twice', () => {
    expect(split('{"model":{"vocab":{"a":1,"b":2,"a":3}}}')).toEqual(whole('{"model":{"vocab":{"a":1,"b":2,"a":3}}}'));
    expect(split('{"model":{"vocab":{"a":1,"b":2,"\\u0061":3}}}')).toEqual(
      whole('{"model":{"vocab":{"a":1,"b":2,"\\u0061":3}}}'),
    );
  });

  test('lets the text go', () => {
    const padding = Buffer.alloc(8_000_000, 'x').toString('latin1');
    const textWith = (token: string): string => `{"padding":"${padding}","model":{"vocab":{"${token}":1}}}`;
    const before = used();
    const vocabularies = ['short', 'a-token-of-more-than-a-dozen-letters'].map((token) => {
      const { vocabulary } = splitTokenizer(textWith(token));
      return vocabulary;
    });
    expect(used() - before).toBeLessThan(padding.length / 2);
    expect(vocabularies.map((each) => [...(each ?? [])].length)).toEqual([1, 1]);
  });

  test.each([
    ['an id that is no whole number', '{"model":{"vocab":{"a":1.5}}}'],
    ['an id below zero', '{"model":{"vocab":{"a":-1}}}'],
    ['an id that is beyond numbers', '{"model":{"vocab":{"a":99999999999}}}'],
    ['a list of tokens', '{"model":{"vocab":[["a",0]]}}'],
    ['nothing', '{"model":{"vocab":{}}}'],
    ['a nested object', '{"model":{"vocab":{"a":{"b":1}}}}'],
    ['a vocabulary somewhere else', '{"other":{"vocab":{"a":1}},"model":{}}'],
    ['two vocabularies', '{"other":{"vocab":{"a":1}},"model":{"vocab":{"b":2}}}'],
    ['two of one name', '{"model":{"vocab":{"a":1},"vocab":{"b":2}}}'],
    ['a name that ends like it', '{"model":{"a\\"vocab":{"a":1}}}'],
    ['no object', '[1]'],
    ['null', 'null'],
  ])('stays where it is if it is %s', (_, text) => {
    expect(splitTokenizer(text)).toEqual({ json: JSON.parse(text) });
  });

  test.each([
    '',
    '{"model":{"vocab":{"a":1',
    '{"model":{"vocab":{"a":01}}}',
    '{"model":{"vocab":{"a\n":1}}}',
    '{"model":{"vocab":{"a":1,}}}',
    '{"model":{"vocab":{"\\x":1}}}',
  ])('is refused where JSON.parse refuses the text: %s', (text) => {
    expect(() => splitTokenizer(text)).toThrow(SyntaxError);
  });
});
