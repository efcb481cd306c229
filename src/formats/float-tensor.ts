import { ModelkeepError, type VersionFiles } from '../core/index.js';
import type { SafetensorsDtype, StoredTensor } from './tensor-table.js';

/** The float32 of a float16's bits: 1 bit of sign, 5 of exponent, 10 of fraction (IEEE 754 binary16). */
function fromHalf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** The bytes where an array of any width may begin: files are little-endian, as every platform of the runtime is. */
function alignedBuffer(bytes: Buffer): ArrayBuffer {
  const copy = new ArrayBuffer(bytes.byteLength);
  new Uint8Array(copy).set(bytes);
  return copy;
}

/** Dtypes of safetensors that hold floats. */
export type FloatDtype = 'F32' | 'F64' | 'F16' | 'BF16';

/** What each float16 is: looking it up takes a third of the time of computing it. */
let halves: Float32Array | undefined;

/** How the elements of a dtype become float32. */
const WIDEN: Readonly<Record<FloatDtype, (bytes: Buffer) => Float32Array>> = {
  F32: (bytes) => new Float32Array(alignedBuffer(bytes)),
  F64: (bytes) => Float32Array.from(new Float64Array(alignedBuffer(bytes))),
  F16: (bytes) => {
    const known = (halves ??= Float32Array.from({ length: 65_536 }, (_, bits) => fromHalf(bits)));
    return Float32Array.from(new Uint16Array(alignedBuffer(bytes)), (bits) => known[bits] ?? NaN);
  },
  // The upper half of a float32.
  BF16: (bytes) =>
    new Float32Array(Uint32Array.from(new Uint16Array(alignedBuffer(bytes)), (bits) => bits << 16).buffer),
};

/** True for a dtype that {@link widenFloats} takes. */
export function isFloatDtype(dtype: SafetensorsDtype): dtype is FloatDtype {
  return Object.hasOwn(WIDEN, dtype);
}

/** Floats of any width, little-endian, as float32. */
export function widenFloats(dtype: FloatDtype, bytes: Buffer): Float32Array {
  return WIDEN[dtype](bytes);
}

/**
 * Reads a tensor of floats and widens it to float32; memory is that of the tensor twice.
 *
 * @param path the file that holds it
 * @returns row-major, as it lies in the file
 * @throws ModelkeepError `UNSUPPORTED_FORMAT` for a dtype that holds no floats
 */
export async function readFloats(files: VersionFiles, path: string, tensor: StoredTensor): Promise<Float32Array> {
  const { name, dtype } = tensor;
  if (!isFloatDtype(dtype)) {
    throw new ModelkeepError(
      'UNSUPPORTED_FORMAT',
      `${path}: tensor "${name}" has the dtype ${dtype}; weights may be ${Object.keys(WIDEN).join(', ')}`,
    );
  }
  return widenFloats(dtype, await files.read(path, { start: tensor.start, end: tensor.end }));
}
