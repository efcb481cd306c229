import type { Tensor, TensorType } from '../../core/index.js';

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
