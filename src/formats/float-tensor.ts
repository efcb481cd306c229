import { ModelkeepError, type VersionFiles } from '../core/index.js';
import type { SafetensorsDtype, StoredTensor } from './safetensors.js';

/** The float32 of a float16's bits: 1 bit of sign, 5 of exponent, 10 of fraction (IEEE 754 binary16). */
function fromHalf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** How the elements of a dtype become float32. */
const WIDEN: Partial<Record<SafetensorsDtype, (bytes: Buffer, into: Float32Array) => void>> = {
  F32: (bytes, into) => into.forEach((_, at) => (into[at] = bytes.readFloatLE(4 * at))),
  F64: (bytes, into) => into.forEach((_, at) => (into[at] = bytes.readDoubleLE(8 * at))),
  F16: (bytes, into) => into.forEach((_, at) => (into[at] = fromHalf(bytes.readUInt16LE(2 * at)))),
  // The upper half of a float32.
  BF16: (bytes, into) => {
    const bits = new Uint32Array(into.buffer, into.byteOffset, into.length);
    bits.forEach((_, at) => (bits[at] = bytes.readUInt16LE(2 * at) << 16));
  },
};

/**
 * Reads a tensor of floats and widens it to float32; memory is that of the tensor twice.
 *
 * @param path the file that holds it
 * @returns row-major, as it lies in the file
 * @throws ModelkeepError `UNSUPPORTED_FORMAT` for a dtype that holds no floats
 */
export async function readFloats(files: VersionFiles, path: string, tensor: StoredTensor): Promise<Float32Array> {
  const widen = WIDEN[tensor.dtype];
  if (widen === undefined) {
    throw new ModelkeepError(
      'UNSUPPORTED_FORMAT',
      `${path}: tensor "${tensor.name}" has the dtype ${tensor.dtype}; weights may be ${Object.keys(WIDEN).join(', ')}`,
    );
  }
  const into = new Float32Array(tensor.shape.reduce((product, dim) => product * dim, 1));
  widen(await files.read(path, { start: tensor.start, end: tensor.end }), into);
  return into;
}
