import type { VersionFiles } from '../core/index.js';
import type { SafetensorsDtype } from './tensor-table.js';
import type { WeightTensor } from './weight-tensors.js';

/** Bytes of each of two tensors that are looked at together: memory does not grow with the tensors. */
const WINDOW_BYTES = 4 * 1024 * 1024;

/** How far two tensors of the same shape are from each other. */
export interface TensorChange {
  /** Elements that differ. */
  readonly differing: number;
  readonly elements: number;
  /** Euclidean norm of the difference; undefined for element types that are no numbers here. */
  readonly norm?: number;
  /** The same as a share of the norm of the first tensor; undefined if that is 0. */
  readonly relativeNorm?: number;
  /** Largest absolute difference of an element. */
  readonly largest?: number;
}

interface Reader {
  readonly width: number;
  readonly at?: (bytes: Buffer, offset: number) => number;
}

/** The number that the bits of a float16 stand for (IEEE 754 binary16). */
function half(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** A bfloat16 is the upper half of a float32. */
const scratch = Buffer.alloc(4);
function brain(bits: number): number {
  scratch.writeUInt32LE((bits << 16) >>> 0);
  return scratch.readFloatLE(0);
}

const READERS: Readonly<Record<SafetensorsDtype, Reader>> = {
  BOOL: { width: 1, at: (bytes, offset) => bytes.readUInt8(offset) },
  U8: { width: 1, at: (bytes, offset) => bytes.readUInt8(offset) },
  I8: { width: 1, at: (bytes, offset) => bytes.readInt8(offset) },
  F8_E5M2: { width: 1 },
  F8_E4M3: { width: 1 },
  I16: { width: 2, at: (bytes, offset) => bytes.readInt16LE(offset) },
  U16: { width: 2, at: (bytes, offset) => bytes.readUInt16LE(offset) },
  F16: { width: 2, at: (bytes, offset) => half(bytes.readUInt16LE(offset)) },
  BF16: { width: 2, at: (bytes, offset) => brain(bytes.readUInt16LE(offset)) },
  I32: { width: 4, at: (bytes, offset) => bytes.readInt32LE(offset) },
  U32: { width: 4, at: (bytes, offset) => bytes.readUInt32LE(offset) },
  F32: { width: 4, at: (bytes, offset) => bytes.readFloatLE(offset) },
  F64: { width: 8, at: (bytes, offset) => bytes.readDoubleLE(offset) },
  I64: { width: 8, at: (bytes, offset) => Number(bytes.readBigInt64LE(offset)) },
  U64: { width: 8, at: (bytes, offset) => Number(bytes.readBigUInt64LE(offset)) },
};

/** A tensor and the files that it lies in. */
export interface TensorAt {
  readonly files: VersionFiles;
  readonly tensor: WeightTensor;
}

/**
 * Compares two tensors of the same element type and shape, a few megabytes at a time.
 *
 * @throws ModelkeepError what reading says
 */
export async function measureChange(first: TensorAt, second: TensorAt, signal?: AbortSignal): Promise<TensorChange> {
  const { dtype, start, end } = first.tensor;
  const { width, at } = dtype === undefined ? { width: 1 } : READERS[dtype];
  const sums = { differing: 0, squares: 0, ofFirst: 0, largest: 0 };
  const abortable = signal === undefined ? {} : { signal };
  const window = ({ files, tensor }: TensorAt, offset: number, bytes: number): Promise<Buffer> =>
    files.read(tensor.path, { start: tensor.start + offset, end: tensor.start + offset + bytes }, abortable);
  for (let offset = 0; offset < end - start; offset += WINDOW_BYTES) {
    const bytes = Math.min(WINDOW_BYTES, end - start - offset);
    const [one, two] = await Promise.all([window(first, offset, bytes), window(second, offset, bytes)]);
    if (at === undefined) sums.differing += countDiffering(one, two, width);
    else addWindow(sums, { one, two, width, at });
  }
  const elements = (end - start) / width;
  if (at === undefined) return { differing: sums.differing, elements };
  const norm = Math.sqrt(sums.squares);
  const base = Math.sqrt(sums.ofFirst);
  return {
    differing: sums.differing,
    elements,
    norm,
    ...(base === 0 ? {} : { relativeNorm: norm / base }),
    largest: sums.largest,
  };
}

function addWindow(
  sums: { differing: number; squares: number; ofFirst: number; largest: number },
  { one, two, width, at }: { one: Buffer; two: Buffer } & Required<Reader>,
): void {
  for (let offset = 0; offset < one.length; offset += width) {
    const [a, b] = [at(one, offset), at(two, offset)];
    sums.ofFirst += a * a;
    if (Object.is(a, b)) continue;
    const change = Math.abs(a - b);
    sums.differing += 1;
    sums.squares += change * change;
    if (change > sums.largest) sums.largest = change;
  }
}

function countDiffering(one: Buffer, two: Buffer, width: number): number {
  let count = 0;
  for (let offset = 0; offset < one.length; offset += width) {
    if (one.compare(two, offset, offset + width, offset, offset + width) !== 0) count += 1;
  }
  return count;
}
