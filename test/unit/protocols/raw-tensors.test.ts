import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { asModelkeepError, ELEMENT_ARRAYS, type Tensor, type TensorType } from '../../../src/core/index.js';
import { readInferBody } from '../../../src/protocols/http/infer-body.js';
import { DATATYPE_NAMES, datatypeOf } from '../../../src/protocols/open-inference/datatypes.js';
import { rawOf, tensorFromRaw } from '../../../src/protocols/open-inference/raw-tensors.js';

const TYPES = Object.keys(ELEMENT_ARRAYS) as Exclude<TensorType, 'string'>[];
const head = (datatype: string, shape: readonly number[]) => ({ name: 'x', datatype, shape });
const shapes = fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 3 });
const product = (shape: readonly number[]): number => shape.reduce((size, dim) => size * dim, 1);

/** Bytes that begin at a place of a buffer that fits no element. */
function misaligned(bytes: Uint8Array): Buffer {
  return Buffer.concat([Buffer.alloc(1), bytes]).subarray(1);
}

function bitsOf({ data }: Tensor): string {
  const { buffer, byteOffset, byteLength } = data as Float32Array;
  return Buffer.from(buffer, byteOffset, byteLength).toString('hex');
}

/** One element of BYTES that announces a length. */
function text(length: number, bytes: string): Buffer {
  const prefix = Buffer.alloc(4);
  prefix.writeUInt32LE(length);
  return Buffer.concat([prefix, Buffer.from(bytes, 'latin1')]);
}

/** What comes of a body: a request of whole tensors, or an INVALID_INPUT with a sentence; anything else is a defect. */
function outcomeOf(body: Buffer, jsonLength: string | undefined): 'read' | 'refused' | 'defect' {
  try {
    const { inputs } = readInferBody(body, jsonLength);
    return inputs.every(({ tensor }) => tensor.data.length === product(tensor.dims)) ? 'read' : 'defect';
  } catch (error) {
    const { code, message } = asModelkeepError(error);
    return code === 'INVALID_INPUT' && /\w/.test(message) ? 'refused' : 'defect';
  }
}

describe('a raw tensor', () => {
  test.each(TYPES)('of %s comes back with the same bits, wherever it lies', (type) => {
    const array = ELEMENT_ARRAYS[type];
    const cases = shapes.chain((shape) => {
      const bytes = product(shape) * array.BYTES_PER_ELEMENT;
      const value = type === 'bool' ? fc.integer({ min: 0, max: 1 }) : fc.integer({ min: 0, max: 255 });
      return fc.record({
        shape: fc.constant(shape),
        bytes: fc.array(value, { minLength: bytes, maxLength: bytes }).map((values) => Uint8Array.from(values)),
      });
    });
    fc.assert(
      fc.property(cases, ({ shape, bytes }) => {
        for (const place of [Buffer.from(Uint8Array.from(bytes).buffer), misaligned(bytes)]) {
          const tensor = tensorFromRaw(head(datatypeOf(type), shape), place);
          expect(tensor).toMatchObject({ type, dims: shape });
          expect(tensor.data.constructor).toBe(array);
          expect(tensor.data).toHaveLength(product(shape));
          expect(bitsOf(tensor)).toBe(Buffer.from(bytes).toString('hex'));
          expect(rawOf(tensor).equals(bytes)).toBe(true);
        }
      }),
      { numRuns: 30 },
    );
  });

  test('of numbers is not copied where it lies as the processor wants it, nor when it is written', () => {
    const bytes = Buffer.from(new Float64Array([1, 2]).buffer);
    const tensor = tensorFromRaw(head('FP64', [2]), bytes);
    expect((tensor.data as Float64Array).buffer).toBe(bytes.buffer);
    expect(rawOf(tensor).buffer).toBe(bytes.buffer);
  });

  test('of BYTES comes back, whatever the texts', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'grapheme' })), (texts) => {
        const raw = rawOf({ type: 'string', dims: [texts.length], data: texts });
        expect(tensorFromRaw(head('BYTES', [texts.length]), raw).data).toEqual(texts);
      }),
    );
  });

  test('of BF16 is widened exactly', () => {
    const halves = Uint16Array.of(0x3f80, 0xc000, 0x7f80, 0x7fc0, 0x0001, 0x8000);
    const { type, data } = tensorFromRaw(head('BF16', [6]), misaligned(new Uint8Array(halves.buffer)));
    expect(type).toBe('float32');
    expect(Array.from(data as Float32Array)).toEqual([1, -2, Infinity, Number.NaN, 2 ** -133, -0]);
  });

  test.each([
    ['an unknown datatype', 'FP99', [1], Buffer.alloc(4)],
    ['a byte too few', 'FP32', [2], Buffer.alloc(7)],
    ['a byte too many', 'INT64', [2], Buffer.alloc(17)],
    ['bytes for an empty shape', 'INT8', [0, 5], Buffer.alloc(1)],
    ['a shape that no memory holds', 'INT8', [2 ** 40, 2 ** 40], Buffer.alloc(8)],
    ['a BOOL of 2', 'BOOL', [2], Buffer.of(1, 2)],
    ['an odd number of bytes of BF16', 'BF16', [1], Buffer.alloc(3)],
    ['BYTES without a whole length', 'BYTES', [1], Buffer.of(1, 0, 0)],
    ['BYTES that are cut off', 'BYTES', [1], text(5, 'four')],
    ['BYTES of 4 GiB', 'BYTES', [1], text(0xffff_ffff, 'x')],
    ['BYTES of fewer elements than the shape makes', 'BYTES', [3], Buffer.concat([text(1, 'a'), text(1, 'b')])],
    ['BYTES of more elements than the shape makes', 'BYTES', [1], Buffer.concat([text(1, 'a'), text(1, 'b')])],
    ['BYTES that are no UTF-8', 'BYTES', [1], text(2, '\xc3\x28')],
  ])('with %s is INVALID_INPUT and named', (_what, datatype, shape, bytes) => {
    expect(() => tensorFromRaw(head(datatype, shape), bytes)).toThrow(
      expect.objectContaining({ code: 'INVALID_INPUT', message: expect.stringContaining('"x"') }),
    );
  });
});

describe('a body with raw tensors', () => {
  const inputs = fc.array(
    fc.record(
      {
        name: fc.string(),
        datatype: fc.constantFrom(...DATATYPE_NAMES, 'nope', ''),
        shape: fc.array(fc.oneof(fc.nat(6), fc.double(), fc.constant(2 ** 53)), { maxLength: 3 }),
        parameters: fc.record(
          { binary_data_size: fc.oneof(fc.nat(64), fc.double(), fc.constantFrom(-1, 2 ** 60, null, '8')) },
          { requiredKeys: [] },
        ),
        data: fc.array(fc.jsonValue({ maxDepth: 2 }), { maxLength: 4 }),
      },
      { requiredKeys: ['name', 'datatype', 'shape'] },
    ),
    { maxLength: 3 },
  );

  test('is read or refused, whatever the bytes', () => {
    const lengths = fc.option(fc.oneof(fc.nat(80).map(String), fc.string()), { nil: undefined });
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), lengths, (bytes, length) => {
        expect(outcomeOf(Buffer.from(bytes), length)).not.toBe('defect');
      }),
      { numRuns: 2_000 },
    );
  });

  test('is read or refused, whatever the JSON says of its bytes', () => {
    const seen = { read: 0, refused: 0, defect: 0 };
    fc.assert(
      fc.property(inputs, fc.uint8Array({ maxLength: 64 }), fc.integer({ min: -3, max: 3 }), (given, binary, off) => {
        const json = Buffer.from(JSON.stringify({ inputs: given }));
        const length = Math.max(0, json.byteLength + (Math.abs(off) === 3 ? off : 0));
        seen[outcomeOf(Buffer.concat([json, binary]), String(length))] += 1;
      }),
      { numRuns: 3_000 },
    );
    expect(seen.defect).toBe(0);
    expect(seen.refused).toBeGreaterThan(0);
  });

  test('is read where the sizes are right, in any mixture of forms', () => {
    const tensor = fc
      .constantFrom(...TYPES)
      .chain((type) =>
        fc
          .nat(5)
          .map((count) => ({ type, count, bytes: Buffer.alloc(count * ELEMENT_ARRAYS[type].BYTES_PER_ELEMENT, 1) })),
      );
    fc.assert(
      fc.property(fc.array(fc.tuple(tensor, fc.boolean()), { minLength: 1, maxLength: 5 }), (list) => {
        const described = list.map(([{ type, count, bytes }, plain], index) => ({
          name: `t${index}`,
          datatype: plain ? 'INT32' : datatypeOf(type),
          shape: [count],
          ...(plain
            ? { data: Array.from({ length: count }, () => 7) }
            : { parameters: { binary_data_size: bytes.byteLength } }),
        }));
        const json = Buffer.from(JSON.stringify({ inputs: described }));
        const binary = list.flatMap(([{ bytes }, plain]) => (plain ? [] : [bytes]));
        expect(outcomeOf(Buffer.concat([json, ...binary]), String(json.byteLength))).toBe('read');
      }),
    );
  });
});
