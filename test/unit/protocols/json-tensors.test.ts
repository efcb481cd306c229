import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Tensor, TensorType } from '../../../src/core/index.js';
import { datatypeOf } from '../../../src/protocols/open-inference/datatypes.js';
import { tensorFromJson, tensorToJson, type JsonTensor } from '../../../src/protocols/open-inference/json-tensors.js';

/** Each datatype with its elements in memory, and what lies just outside of its range. */
const DATATYPES: readonly {
  readonly type: TensorType;
  readonly name: string;
  readonly elements: fc.Arbitrary<unknown>;
  readonly make: (values: readonly unknown[]) => Tensor['data'];
  readonly wrong: readonly unknown[];
}[] = [
  {
    type: 'float32',
    name: 'FP32',
    elements: fc.float({ noNaN: true, noDefaultInfinity: true }),
    make: (values) => Float32Array.from(values as number[]),
    wrong: [3.5e38, -3.5e38],
  },
  {
    type: 'float64',
    name: 'FP64',
    elements: fc.double({ noNaN: true, noDefaultInfinity: true }),
    make: (values) => Float64Array.from(values as number[]),
    wrong: [Infinity, -Infinity],
  },
  integer('int8', 'INT8', -128, 127, (values) => Int8Array.from(values)),
  integer('int16', 'INT16', -32_768, 32_767, (values) => Int16Array.from(values)),
  integer('int32', 'INT32', -2_147_483_648, 2_147_483_647, (values) => Int32Array.from(values)),
  integer('uint8', 'UINT8', 0, 255, (values) => Uint8Array.from(values)),
  integer('uint16', 'UINT16', 0, 65_535, (values) => Uint16Array.from(values)),
  integer('uint32', 'UINT32', 0, 4_294_967_295, (values) => Uint32Array.from(values)),
  {
    type: 'int64',
    name: 'INT64',
    elements: fc.bigInt({ min: BigInt(Number.MIN_SAFE_INTEGER), max: BigInt(Number.MAX_SAFE_INTEGER) }),
    make: (values) => BigInt64Array.from(values as bigint[]),
    wrong: [0.5, 2 ** 53, -(2 ** 53)],
  },
  {
    type: 'uint64',
    name: 'UINT64',
    elements: fc.bigInt({ min: 0n, max: BigInt(Number.MAX_SAFE_INTEGER) }),
    make: (values) => BigUint64Array.from(values as bigint[]),
    wrong: [0.5, 2 ** 53, -1],
  },
  {
    type: 'bool',
    name: 'BOOL',
    elements: fc.constantFrom(0, 1),
    make: (values) => Uint8Array.from(values as number[]),
    wrong: [0, 1, 'true'],
  },
  {
    type: 'string',
    name: 'BYTES',
    elements: fc.string({ unit: 'grapheme' }),
    make: (values) => values as string[],
    wrong: [7, true, ['x']],
  },
];

function integer(
  type: TensorType,
  name: string,
  low: number,
  high: number,
  make: (values: number[]) => Tensor['data'],
) {
  return {
    type,
    name,
    elements: fc.integer({ min: low, max: high }),
    make: make as (values: readonly unknown[]) => Tensor['data'],
    wrong: [low - 1, high + 1, 0.5],
  };
}

/** Cuts a flat list into nested ones as a shape says. */
function nest(values: readonly unknown[], shape: readonly number[]): readonly unknown[] {
  const [, ...rest] = shape;
  if (rest.length === 0) return values;
  const size = rest.reduce((product, dim) => product * dim, 1);
  return Array.from({ length: shape[0]! }, (_, row) => nest(values.slice(row * size, (row + 1) * size), rest));
}

const shapes = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 4 });
const product = (shape: readonly number[]): number => shape.reduce((size, dim) => size * dim, 1);
const one = (datatype: string, value: unknown): JsonTensor => ({ name: 'x', shape: [1], datatype, data: [value] });

describe.each(DATATYPES)('$name', ({ type, name, elements, make, wrong }) => {
  test('comes back as it was, through JSON, flat and nested', () => {
    const tensors = shapes.chain((dims) =>
      fc
        .array(elements, { minLength: product(dims), maxLength: product(dims) })
        .map((values): Tensor => ({ type, dims, data: make(values) })),
    );
    fc.assert(
      fc.property(tensors, (tensor) => {
        const json = JSON.parse(JSON.stringify(tensorToJson({ name: 'x', tensor }))) as JsonTensor;
        expect(json).toMatchObject({ name: 'x', shape: tensor.dims, datatype: name });
        const nested = { ...json, data: nest(json.data, json.shape) };
        for (const form of [json, nested]) {
          const back = tensorFromJson(form);
          expect(back.type).toBe(type);
          expect(back.dims).toEqual(tensor.dims);
          // JSON knows no negative zero.
          expect(Array.from(back.data as ArrayLike<unknown>, (value) => (value === 0 ? 0 : value))).toEqual(
            Array.from(tensor.data as ArrayLike<unknown>, (value) => (value === 0 ? 0 : value)),
          );
          expect(back.data.constructor).toBe(tensor.data.constructor);
        }
      }),
      { numRuns: 50 },
    );
  });

  test.each([...wrong, null, undefined, Number.NaN, {}])('refuses %j', (value) => {
    expect(() => tensorFromJson(one(name, value))).toThrow(
      expect.objectContaining({ code: 'INVALID_INPUT', message: expect.stringContaining('"x"') }),
    );
  });

  test('has its name', () => {
    expect(datatypeOf(type)).toBe(name);
  });
});

test.each([
  ['too few values', [2, 2], [1, 2, 3]],
  ['too many values', [2], [1, 2, 3]],
  ['values for an empty shape', [0], [1]],
  ['no value for a scalar', [], []],
  ['lists of unequal length', [2, 2], [[1, 2, 3], [4]]],
  [
    'a shape that the nesting contradicts',
    [4],
    [
      [1, 2],
      [3, 4],
    ],
  ],
  ['numbers and lists side by side', [3], [1, [2], 3]],
])('%s is INVALID_INPUT', (_what, shape, data) => {
  expect(() => tensorFromJson({ name: 'x', shape, datatype: 'INT32', data })).toThrow(
    expect.objectContaining({ code: 'INVALID_INPUT', message: expect.stringContaining('"x"') }),
  );
});

test('a scalar and an empty tensor are tensors', () => {
  expect(tensorFromJson({ name: 'x', shape: [], datatype: 'INT32', data: [7] })).toEqual({
    type: 'int32',
    dims: [],
    data: Int32Array.of(7),
  });
  expect(tensorFromJson({ name: 'x', shape: [0, 3], datatype: 'FP32', data: [] }).data).toEqual(new Float32Array(0));
});

test('a shape whose product is no number that can be held is INVALID_INPUT', () => {
  const shape = Array.from({ length: 40 }, () => Number.MAX_SAFE_INTEGER);
  expect(() => tensorFromJson({ name: 'x', shape, datatype: 'INT8', data: [1] })).toThrow(
    expect.objectContaining({ code: 'INVALID_INPUT' }),
  );
});

test('FP16 has no JSON form, either way', () => {
  expect(() => tensorFromJson(one('FP16', 1))).toThrow(expect.objectContaining({ code: 'INVALID_INPUT' }));
  expect(() => tensorToJson({ name: 'x', tensor: { type: 'float16', dims: [1], data: Uint16Array.of(0) } })).toThrow(
    expect.objectContaining({ code: 'UNSUPPORTED_FORMAT' }),
  );
});

test('values of a model that JSON cannot hold are told, not turned into null', () => {
  for (const value of [Number.NaN, Infinity, -Infinity]) {
    expect(() =>
      tensorToJson({ name: 'x', tensor: { type: 'float32', dims: [1], data: Float32Array.of(value) } }),
    ).toThrow(expect.objectContaining({ code: 'UNSUPPORTED_FORMAT', message: expect.stringContaining('"x"') }));
  }
  const large = BigInt64Array.of(2n ** 60n);
  expect(() => tensorToJson({ name: 'x', tensor: { type: 'int64', dims: [1], data: large } })).toThrow(
    expect.objectContaining({ code: 'UNSUPPORTED_FORMAT' }),
  );
});
