import type { Tensor, TensorData, TensorType } from '../../core/index.js';

/** A tensor with its name. */
export interface NamedTensor {
  readonly name: string;
  readonly tensor: Tensor;
}

/** What the protocol says of a tensor before its elements. */
export interface TensorHead {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
}

/** Elements of one size, as they lie in memory. */
export type ElementArray = Exclude<TensorData, readonly string[]>;

/** Makes a view of `length` elements over a buffer. */
export interface ElementArrayClass {
  readonly BYTES_PER_ELEMENT: number;
  new (buffer: ArrayBufferLike, byteOffset?: number, length?: number): ElementArray;
}

/** The protocol's name of each element type. */
const NAMES: Readonly<Record<TensorType, string>> = {
  bool: 'BOOL',
  uint8: 'UINT8',
  uint16: 'UINT16',
  uint32: 'UINT32',
  uint64: 'UINT64',
  int8: 'INT8',
  int16: 'INT16',
  int32: 'INT32',
  int64: 'INT64',
  float16: 'FP16',
  float32: 'FP32',
  float64: 'FP64',
  string: 'BYTES',
};

const TYPES: ReadonlyMap<string, TensorType> = new Map(
  Object.entries(NAMES).map(([type, name]) => [name, type as TensorType]),
);

/** The upper halves of FP32 numbers: taken in raw form alone, and widened, which is exact. */
export const BFLOAT16 = 'BF16';

/** Every datatype that a tensor of a request may have, for messages. */
export const DATATYPE_NAMES: readonly string[] = Object.freeze([...TYPES.keys(), BFLOAT16]);

/** How the elements of each type of one size are held; `float16` and `bool` as raw bits. */
export const ELEMENT_ARRAYS: Readonly<Record<Exclude<TensorType, 'string'>, ElementArrayClass>> = {
  bool: Uint8Array,
  uint8: Uint8Array,
  uint16: Uint16Array,
  uint32: Uint32Array,
  uint64: BigUint64Array,
  int8: Int8Array,
  int16: Int16Array,
  int32: Int32Array,
  int64: BigInt64Array,
  float16: Uint16Array,
  float32: Float32Array,
  float64: Float64Array,
};

/** The protocol's name of an element type. */
export function datatypeOf(type: TensorType): string {
  return NAMES[type];
}

/** The element type of a datatype; undefined for one that is not known, and for `BF16`. */
export function typeOf(datatype: string): TensorType | undefined {
  return TYPES.get(datatype);
}

/** Elements that a shape makes; beyond 2^53 only roughly, which no message can hold. */
export function elementsOf(shape: readonly number[]): number {
  return shape.reduce((product, dim) => product * dim, 1);
}
