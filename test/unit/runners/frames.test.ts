import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ELEMENT_ARRAYS, ModelkeepError, type Tensor } from '../../../src/core/index.js';
import { encodeFrame, FrameReader, type Frame } from '../../../src/runners/index.js';

const TYPES = Object.keys(ELEMENT_ARRAYS) as (keyof typeof ELEMENT_ARRAYS)[];

const dimsArbitrary = fc.array(fc.nat(4), { maxLength: 3 });
const elementsOf = (dims: readonly number[]): number => dims.reduce((product, dim) => product * dim, 1);

/** A tensor of a type, of any bits: NaNs with payloads too. */
const numbersArbitrary = (type: keyof typeof ELEMENT_ARRAYS): fc.Arbitrary<Tensor> =>
  dimsArbitrary.chain((dims) => {
    const length = elementsOf(dims) * ELEMENT_ARRAYS[type].BYTES_PER_ELEMENT;
    return fc
      .uint8Array({ minLength: length, maxLength: length })
      .map((bytes) => ({ type, dims, data: new ELEMENT_ARRAYS[type](Uint8Array.from(bytes).buffer) }));
  });

const stringsArbitrary: fc.Arbitrary<Tensor> = dimsArbitrary.chain((dims) =>
  fc
    .array(fc.string({ unit: 'grapheme' }), { minLength: elementsOf(dims), maxLength: elementsOf(dims) })
    .map((data) => ({ type: 'string', dims, data })),
);

const frameArbitrary = fc.record({
  header: fc.record({ id: fc.nat(), op: fc.string({ unit: 'grapheme' }), more: fc.jsonValue() }),
  tensors: fc.dictionary(
    fc.string({ minLength: 1 }),
    fc.oneof(stringsArbitrary, ...TYPES.map((type) => numbersArbitrary(type))),
    { maxKeys: 3, noNullPrototype: true },
  ),
});

/** What a frame says, in a form in which equal means equal bits. */
function bitsOf({ header, tensors }: Frame): unknown {
  const plain = Object.entries(tensors).map(([name, { type, dims, data }]) => {
    if (type === 'string') return { name, type, dims, data };
    const { buffer, byteOffset, byteLength } = data as Float32Array;
    return {
      name,
      type,
      dims,
      kind: data.constructor.name,
      bits: Buffer.from(buffer, byteOffset, byteLength).toString('hex'),
    };
  });
  return { header: JSON.parse(JSON.stringify(header)) as unknown, tensors: plain };
}

function readAll(bytes: Buffer, cuts: readonly number[] = []): Frame[] {
  const reader = new FrameReader();
  const places = [...new Set([0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length])].toSorted(
    (a, b) => a - b,
  );
  return places.slice(1).flatMap((end, i) => reader.push(bytes.subarray(places[i], end)));
}

function prefixOf(header: number, body: number): Buffer {
  const prefix = Buffer.alloc(8);
  prefix.writeUInt32LE(header, 0);
  prefix.writeUInt32LE(body, 4);
  return prefix;
}

/** A frame of any header and body, as a faulty runner could write it. */
function rawFrame(header: string, body: Buffer = Buffer.alloc(0)): Buffer {
  return Buffer.concat([prefixOf(Buffer.byteLength(header), body.length), Buffer.from(header), body]);
}

describe('frames', () => {
  it('come out as they went in, however the stream is cut', () => {
    fc.assert(
      fc.property(fc.array(frameArbitrary, { maxLength: 4 }), fc.array(fc.nat(), { maxLength: 30 }), (frames, cuts) => {
        const bytes = Buffer.concat(frames.flatMap(({ header, tensors }) => encodeFrame(header, tensors)));
        expect(readAll(bytes, cuts).map((frame) => bitsOf(frame))).toEqual(frames.map((frame) => bitsOf(frame)));
      }),
      { numRuns: 300 },
    );
  });

  it.each(TYPES)('carry %s from a place that is not aligned', (type) => {
    const source = new ELEMENT_ARRAYS[type](Uint8Array.from({ length: 48 }, (_, i) => 7 * i).buffer);
    const data = source.subarray(1, 3);
    const [frame] = readAll(Buffer.concat(encodeFrame({ odd: 'x' }, { a: { type, dims: [2], data } })), [1, 9, 10]);
    expect(frame?.tensors.a?.data).toEqual(data);
    expect(frame?.header).toEqual({ odd: 'x' });
  });

  it('are read byte by byte', () => {
    const bytes = Buffer.concat(
      encodeFrame({ id: 1 }, { a: { type: 'int64', dims: [2], data: BigInt64Array.of(1n, -2n) } }),
    );
    const reader = new FrameReader();
    const counts = [...bytes].map((byte) => reader.push(Buffer.of(byte)).length);
    expect(counts).toEqual([...Array.from({ length: bytes.length - 1 }, () => 0), 1]);
  });

  it('hold no frame back and make none of part of one', () => {
    const one = Buffer.concat(encodeFrame({ id: 1 }));
    const reader = new FrameReader();
    expect(reader.push(Buffer.concat([one, one, one.subarray(0, -1)]))).toHaveLength(2);
    expect(reader.push(Buffer.alloc(0))).toHaveLength(0);
    expect(reader.push(one.subarray(-1))).toHaveLength(1);
  });
});

describe('what is no frame', () => {
  const place = { name: 'a', type: 'float32', dims: [1], offset: 0, bytes: 4 };

  it.each([
    ['a header of more than 256 MiB', prefixOf(256 * 1024 * 1024 + 1, 0)],
    ['a body of more than 1 GiB', prefixOf(2, 1024 * 1024 * 1024 + 1)],
    ['text', Buffer.from('Hello, I am no runner\n')],
    ['a header that is no JSON', rawFrame('{"id":')],
    ['a header that is no object', rawFrame('7')],
    ['a tensor beyond the body', rawFrame(JSON.stringify({ tensors: [{ ...place, offset: 1 }] }), Buffer.alloc(4))],
    ['a tensor before the body', rawFrame(JSON.stringify({ tensors: [{ ...place, offset: -4 }] }), Buffer.alloc(4))],
    [
      'a tensor of other bytes than its dimensions make',
      rawFrame(JSON.stringify({ tensors: [{ ...place, dims: [2] }] }), Buffer.alloc(4)),
    ],
    [
      'a tensor of an unknown type',
      rawFrame(JSON.stringify({ tensors: [{ ...place, type: 'complex' }] }), Buffer.alloc(4)),
    ],
    [
      'strings fewer than announced',
      rawFrame(JSON.stringify({ tensors: [{ ...place, type: 'string', bytes: 0, strings: [] }] })),
    ],
  ])('is refused: %s', (_, bytes) => {
    expect(() => readAll(bytes)).toThrow(expect.objectContaining({ name: 'ModelkeepError', code: 'RUNNER_CRASHED' }));
  });

  it('is waited for where the largest allowed is announced', () => {
    expect(readAll(prefixOf(256 * 1024 * 1024, 1024 * 1024 * 1024))).toEqual([]);
  });
});

/** What the reader makes of bytes: frames of whole tensors, or the one error; anything else is a defect. */
function outcomeOf(bytes: Buffer, cuts: readonly number[]): 'read' | 'refused' | 'defect' {
  try {
    const tensors = readAll(bytes, cuts).flatMap((frame) => Object.values(frame.tensors));
    return tensors.every(({ dims, data }) => data.length === elementsOf(dims)) ? 'read' : 'defect';
  } catch (error) {
    return error instanceof ModelkeepError && error.code === 'RUNNER_CRASHED' ? 'refused' : 'defect';
  }
}

describe('a runner that says anything', () => {
  it('is understood or refused, whatever the bytes', () => {
    const anyBytes = fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes));
    const framed = fc
      .tuple(fc.uint8Array({ maxLength: 40 }), fc.uint8Array({ maxLength: 20 }))
      .map(([header, body]) => Buffer.concat([prefixOf(header.length, body.length), header, body]));
    fc.assert(
      fc.property(fc.oneof(anyBytes, framed), fc.array(fc.nat(), { maxLength: 4 }), (bytes, cuts) => {
        expect(outcomeOf(bytes, cuts)).not.toBe('defect');
      }),
      { numRuns: 3_000 },
    );
  });

  it('is understood or refused, whatever its header says of tensors', () => {
    const number = fc.oneof(fc.nat(40), fc.double(), fc.constantFrom(-1, 2 ** 53, 2 ** 31, null, '4'));
    const anyPlace = fc.oneof(
      fc.jsonValue({ maxDepth: 2 }),
      fc.record(
        {
          name: fc.oneof(fc.string(), fc.constant('__proto__')),
          type: fc.constantFrom(...TYPES, 'string', 'complex', '__proto__', 'toString'),
          dims: fc.oneof(fc.array(number, { maxLength: 3 }), fc.jsonValue({ maxDepth: 1 })),
          offset: number,
          bytes: number,
          strings: fc.oneof(fc.array(fc.string(), { maxLength: 3 }), fc.jsonValue({ maxDepth: 1 })),
        },
        { requiredKeys: [] },
      ),
    );
    const tensors = fc.oneof(fc.array(anyPlace, { maxLength: 3 }), fc.jsonValue({ maxDepth: 1 }));
    fc.assert(
      fc.property(tensors, fc.uint8Array({ maxLength: 40 }), (given, body) => {
        expect(outcomeOf(rawFrame(JSON.stringify({ id: 1, tensors: given }), Buffer.from(body)), [])).not.toBe(
          'defect',
        );
      }),
      { numRuns: 3_000 },
    );
  });
});
