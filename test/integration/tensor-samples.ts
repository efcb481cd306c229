import type { ELEMENT_TYPES } from '../e2e/onnx-bytes.js';

/** An element type that a model of the tests can have. */
export type SampleType = keyof typeof ELEMENT_TYPES;

/** Two elements of a datatype of the Open Inference Protocol, in each of its forms. */
export interface TensorSample {
  readonly type: SampleType;
  readonly datatype: string;
  /** As JSON values; absent where REST has no such form. */
  readonly json?: readonly unknown[];
  /** As typed contents of gRPC; absent where it has no such form. */
  readonly contents?: object;
  readonly raw: Uint8Array;
}

/** The bytes of an array. */
export function bytesOf({ buffer }: { readonly buffer: ArrayBufferLike }): Uint8Array {
  return new Uint8Array(buffer);
}

function integers(
  [type, datatype]: readonly [SampleType, string],
  field: 'int_contents' | 'uint_contents',
  values: readonly number[],
  raw: { readonly buffer: ArrayBufferLike },
): TensorSample {
  return { type, datatype, json: values, contents: { [field]: values }, raw: bytesOf(raw) };
}

/** Each datatype, with the least and the largest values that each form can hold. */
export const SAMPLES: readonly TensorSample[] = [
  {
    type: 'bool',
    datatype: 'BOOL',
    json: [true, false],
    contents: { bool_contents: [true, false] },
    raw: Uint8Array.of(1, 0),
  },
  integers(['uint8', 'UINT8'], 'uint_contents', [0, 255], Uint8Array.of(0, 255)),
  integers(['uint16', 'UINT16'], 'uint_contents', [0, 65_535], Uint16Array.of(0, 65_535)),
  integers(['uint32', 'UINT32'], 'uint_contents', [0, 4_294_967_295], Uint32Array.of(0, 4_294_967_295)),
  integers(['int8', 'INT8'], 'int_contents', [-128, 127], Int8Array.of(-128, 127)),
  integers(['int16', 'INT16'], 'int_contents', [-32_768, 1], Int16Array.of(-32_768, 1)),
  integers(['int32', 'INT32'], 'int_contents', [-(2 ** 31), 1], Int32Array.of(-(2 ** 31), 1)),
  {
    type: 'uint64',
    datatype: 'UINT64',
    json: [0, 2 ** 53 - 1],
    contents: { uint64_contents: ['0', '9007199254740991'] },
    raw: bytesOf(BigUint64Array.of(0n, 2n ** 53n - 1n)),
  },
  {
    type: 'int64',
    datatype: 'INT64',
    json: [1 - 2 ** 53, 7],
    contents: { int64_contents: ['-9007199254740991', '7'] },
    raw: bytesOf(BigInt64Array.of(1n - 2n ** 53n, 7n)),
  },
  { type: 'float16', datatype: 'FP16', raw: bytesOf(Uint16Array.of(0x3c00, 0x7e01)) },
  {
    type: 'float32',
    datatype: 'FP32',
    json: [0.5, -2],
    contents: { fp32_contents: [0.5, -2] },
    raw: bytesOf(Float32Array.of(0.5, -2)),
  },
  {
    type: 'float64',
    datatype: 'FP64',
    json: [0.1, -2],
    contents: { fp64_contents: [0.1, -2] },
    raw: bytesOf(Float64Array.of(0.1, -2)),
  },
  {
    type: 'string',
    datatype: 'BYTES',
    json: ['ä', ''],
    contents: { bytes_contents: [Buffer.from('ä'), Buffer.alloc(0)] },
    raw: Uint8Array.of(2, 0, 0, 0, 0xc3, 0xa4, 0, 0, 0, 0),
  },
];
