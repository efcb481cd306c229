import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { didYouMean, nearestWord, unknownFields } from '../../../src/core/index.js';

const KNOWN = ['top_k', 'truncation', 'truncation_direction', 'function_to_apply', 'max_length', 'stride'];

describe('the nearest word', () => {
  test.each([
    ['topk', 'top_k'],
    ['topK', 'top_k'],
    ['top-k', 'top_k'],
    ['tpo_k', 'top_k'],
    ['truncaton', 'truncation'],
    ['truncation_side', 'truncation'],
    ['maxlength', 'max_length'],
    ['Max_Lenght', 'max_length'],
    ['strides', 'stride'],
    ['banana', undefined],
    ['x', undefined],
    ['', undefined],
    ['k'.repeat(1_000), undefined],
  ])('%j is %j', (word, wanted) => {
    expect(nearestWord(word, KNOWN)).toBe(wanted);
  });

  test('is looked for among names of one letter too', () => {
    expect(nearestWord('Y', ['X'])).toBeUndefined();
    expect(nearestWord('x', ['X'])).toBe('X');
  });

  test('ends a sentence, or says nothing', () => {
    expect(didYouMean('topk', KNOWN)).toBe('; did you mean "top_k"?');
    expect(didYouMean('banana', KNOWN)).toBe('');
  });
});

test('a strict schema tells of its fields, at every depth, and leaves other messages alone', () => {
  const schema = z.strictObject({
    count: z.number().optional(),
    inner: z.strictObject({ top_k: z.number() }).optional(),
  });
  const messages = (value: unknown) =>
    schema.safeParse(value, { error: unknownFields }).error?.issues.map(({ message, path }) => [message, path]);
  expect(messages({ cuont: 1 })).toEqual([['there is no "cuont"; did you mean "count"?', []]]);
  expect(messages({ banana: 1 })).toEqual([['there is no "banana"', []]]);
  expect(messages({ inner: { topk: 1, top_k: 2 } })).toEqual([
    ['there is no "topk"; did you mean "top_k"?', ['inner']],
  ]);
  expect(messages({ count: 'x' })).toEqual(
    z
      .object({ count: z.number() })
      .safeParse({ count: 'x' })
      .error?.issues.map(({ message, path }) => [message, path]),
  );
});
