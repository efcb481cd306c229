import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { matchesWhere, ModelkeepError, parseWhere, type VersionRecord } from '../../../src/core/index.js';
import { whereFilter } from '../../../src/stores/mongodb/where-filter.js';

const record: VersionRecord = {
  id: 'a'.repeat(24),
  model: 'sentiment',
  version: 3,
  size: 10,
  state: 'ready',
  publishedAt: new Date('2026-01-31T00:00:00Z'),
  tags: ['prod'],
  metadata: { epoch: 3 },
};

/** The filter of a condition that can be read, and the error of one that cannot. */
function attempt(text: string): [filter: object, error?: unknown] {
  try {
    const where = parseWhere(text);
    matchesWhere(record, where);
    return [whereFilter(where)];
  } catch (error) {
    return [{}, error];
  }
}

describe('a condition', () => {
  test.each([
    ['', 'nothing'],
    ['metadata.epoch', 'no operator'],
    ['metadata = 3', 'no key'],
    ['nobody = 3', 'an unknown field'],
    ['version = three', 'a text for a number'],
    ['published > soon', 'a text for a date'],
    ['metadata.$where = 1', 'an operator for a key'],
    ['metadata."a.b" = 1', 'a dot inside a key'],
    ['metadata."$where" = "sleep(1)"', 'a quoted operator'],
    ['tag.x = 1', 'keys behind a value'],
    ['text = reviews', 'an order of all texts'],
    ['tag = prod and', 'an end too early'],
    ['tag = prod)', 'a bracket too many'],
    ['(tag = prod', 'a bracket too few'],
    ['tag = prod; drop', 'something behind its end'],
    ['tag = "unfinished', 'an unfinished text'],
    [`${'('.repeat(5_00)}tag = a${')'.repeat(500)}`, 'nesting without end'],
    [`${'not '.repeat(500)}tag = a`, 'negation without end'],
    [Array.from({ length: 101 }, () => 'tag = a').join(' or '), 'too many comparisons'],
    ['x'.repeat(5_000), 'too many characters'],
  ])('%j is refused: %s', (text) => {
    expect(() => parseWhere(text)).toThrow(expect.objectContaining({ code: 'INVALID_INPUT' }));
  });

  test('never fails in any other way, and makes a filter of known operators and fields alone', () => {
    const word = fc.oneof(
      fc.constantFrom('metadata.a', 'tag', 'and', 'or', 'not', '(', ')', '=', '~', 'in', '"$where"', "'", '$gt', '{}'),
      fc.string({ maxLength: 8 }),
    );
    const known =
      /^(\$and|\$or|\$nor|model_name|version|digest|format|task|size|state|published_by|message|parent|tags|(metadata|annotations)(\.[^$.][^.]*)+)$/;
    const walk = (filter: object): void => {
      for (const [name, value] of Object.entries(filter)) {
        expect(name).toMatch(known);
        if (Array.isArray(value)) for (const one of value) walk(one as object);
      }
    };
    fc.assert(
      fc.property(fc.array(word, { maxLength: 12 }), (words) => {
        const [filter, error] = attempt(words.join(' '));
        expect(error === undefined || error instanceof ModelkeepError).toBe(true);
        walk(filter);
      }),
      { numRuns: 2_000 },
    );
  });

  test('reads what is quoted as a text, and binds and stronger than or', () => {
    expect(parseWhere('metadata.a = "3"')).toMatchObject({ value: '3' });
    expect(parseWhere('metadata.a = -1.5e2')).toMatchObject({ value: -150 });
    expect(parseWhere('tag = a or tag = b and tag = c')).toMatchObject({ kind: 'or', parts: [{}, { kind: 'and' }] });
    expect(matchesWhere(record, parseWhere('published >= 2026-01-31 and published < 2026-02-01'))).toBe(true);
    expect(matchesWhere(record, parseWhere('metadata.toString exists'))).toBe(false);
  });
});
