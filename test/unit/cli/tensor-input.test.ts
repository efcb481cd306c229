import { describe, expect, it } from 'vitest';
import type { TensorInfo } from '../../../src/core/index.js';
import { nestedLists, tensorFromText } from '../../../src/cli/tensor-input.js';

const input = (type: TensorInfo['type']): readonly TensorInfo[] => [{ name: 'X', type, dims: [-1, 2] }];

describe('lists as a tensor', () => {
  it.each([
    ['float64', '[[1.5,2],[3,4]]', Float64Array.of(1.5, 2, 3, 4)],
    ['float32', '[[1.5,2],[3,4]]', Float32Array.of(1.5, 2, 3, 4)],
    ['int64', '[[1,2],[3,4]]', BigInt64Array.of(1n, 2n, 3n, 4n)],
    ['string', '[["a","b"],["c","d"]]', ['a', 'b', 'c', 'd']],
  ] as const)('%s', (type, text, data) => {
    expect(tensorFromText(text, input(type))).toEqual({ X: { type, dims: [2, 2], data } });
  });

  it('keep their depth', () => {
    expect(tensorFromText('[[[1],[2]]]', input('float64')).X?.dims).toEqual([1, 2, 1]);
    expect(tensorFromText('[]', input('float64')).X?.dims).toEqual([0]);
  });

  it.each([
    ['no JSON', '[[1,', 'float64'],
    ['no list', '{"a":1}', 'float64'],
    ['rows of different lengths', '[[1,2],[3]]', 'float64'],
    ['rows of different depths', '[[1,2],3]', 'float64'],
    ['a text among numbers', '[[1,"2"]]', 'float64'],
    ['a number among texts', '[["1",2]]', 'string'],
    ['a fraction for integers', '[[1.5,2]]', 'int64'],
    ['a type that has no lists', '[[1,2]]', 'float16'],
  ] as const)('are refused: %s', (_what, text, type) => {
    expect(() => tensorFromText(text, input(type))).toThrow(expect.objectContaining({ code: 'INVALID_INPUT' }));
  });

  it('are refused by a model of several inputs, or of none', () => {
    const two = [...input('float64'), { name: 'Y', type: 'float64', dims: [-1] } as const];
    for (const inputs of [two, []])
      expect(() => tensorFromText('[[1,2]]', inputs)).toThrow(expect.objectContaining({ code: 'INVALID_INPUT' }));
  });
});

describe('a tensor as lists', () => {
  it.each([
    [[3], [1, 2, 3]],
    [[1, 3], [[1, 2, 3]]],
    [
      [3, 1],
      [[1], [2], [3]],
    ],
    [[1, 1, 3], [[[1, 2, 3]]]],
  ])('of the shape %j', (dims, lists) => {
    expect(nestedLists({ type: 'int64', dims, data: BigInt64Array.of(1n, 2n, 3n) })).toEqual(lists);
  });

  it('without rows', () => {
    expect(nestedLists({ type: 'float64', dims: [0, 4], data: new Float64Array() })).toEqual([]);
  });
});
