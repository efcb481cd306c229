/** Element types of tensors that cross the runner's border, named as onnxruntime names them. */
export type TensorType =
  | 'float32'
  | 'float64'
  | 'float16'
  | 'int8'
  | 'int16'
  | 'int32'
  | 'int64'
  | 'uint8'
  | 'uint16'
  | 'uint32'
  | 'uint64'
  | 'bool'
  | 'string';

/** The elements of a tensor. `float16` and `bool` are held as raw bits in unsigned integers. */
export type TensorData =
  | Float32Array
  | Float64Array
  | Int8Array
  | Int16Array
  | Int32Array
  | BigInt64Array
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | BigUint64Array
  | readonly string[];

/** Elements of one size, as they lie in memory. */
type ElementArray = Exclude<TensorData, readonly string[]>;

/** Makes a view of `length` elements over a buffer. */
export interface ElementArrayClass {
  readonly BYTES_PER_ELEMENT: number;
  new (buffer: ArrayBufferLike, byteOffset?: number, length?: number): ElementArray;
}

/** How the elements of each type of one size are held; `float16` and `bool` as raw bits. */
export const ELEMENT_ARRAYS: Readonly<Record<Exclude<TensorType, 'string'>, ElementArrayClass>> = Object.freeze({
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
});

/** A dense array in row-major order. */
export interface Tensor {
  readonly type: TensorType;
  /** Sizes of the dimensions; their product is the number of elements. */
  readonly dims: readonly number[];
  readonly data: TensorData;
}

/** What a model declares of one of its inputs or outputs. */
export interface TensorInfo {
  readonly name: string;
  readonly type: TensorType;
  /** `-1` for a dimension that may vary. */
  readonly dims: readonly number[];
}
