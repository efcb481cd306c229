import { ModelkeepError } from '../core/index.js';
import { HeaderFault, scanHeader, shortName, type TensorFields } from './safetensors-header.js';

/** Largest header that is read, in bytes: 100 MB, the bound of the reference implementation of safetensors. */
export const MAX_SAFETENSORS_HEADER_BYTES = 100_000_000;

/** Element types of safetensors with their widths in bytes, as its format page lists them. */
const DTYPE_BYTES = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  F8_E5M2: 1,
  F8_E4M3: 1,
  I16: 2,
  U16: 2,
  F16: 2,
  BF16: 2,
  I32: 4,
  U32: 4,
  F32: 4,
  F64: 8,
  I64: 8,
  U64: 8,
} as const;

/** An element type of safetensors. */
export type SafetensorsDtype = keyof typeof DTYPE_BYTES;

/** One tensor as a safetensors header describes it. */
export interface StoredTensor {
  readonly name: string;
  readonly dtype: SafetensorsDtype;
  /** Sizes of the dimensions; empty for a scalar. */
  readonly shape: readonly number[];
  /** First byte, counted from the beginning of the file. */
  readonly start: number;
  /** The byte behind the last, counted from the beginning of the file. */
  readonly end: number;
}

/** A checked header. */
export interface SafetensorsHeader {
  /** Bytes before the first tensor: the 8 of the length and the JSON. */
  readonly dataStart: number;
  /** By name, in the order in which their bytes lie in the file. */
  readonly tensors: ReadonlyMap<string, StoredTensor>;
}

/** Reads bytes `start` to `end` of the file. */
export type RangeReader = (start: number, end: number) => Promise<Buffer>;

function invalid(path: string, what: string, cause?: unknown): ModelkeepError {
  const options = cause === undefined ? { details: { path } } : { details: { path }, cause };
  return new ModelkeepError('INVALID_ARTIFACT', `${path}: ${what}. Save the model again`, options);
}

/**
 * Reads and checks the header of a safetensors file, and nothing but the header.
 *
 * @param path names the file in errors
 * @param size bytes of the file
 * @throws ModelkeepError `INVALID_ARTIFACT` naming the tensor and the field that is wrong
 */
export async function readSafetensorsHeader(path: string, size: number, read: RangeReader): Promise<SafetensorsHeader> {
  if (size < 8) throw invalid(path, `has ${size} bytes, too few for a safetensors header`);
  const length = (await read(0, 8)).readBigUInt64LE(0);
  if (length > BigInt(MAX_SAFETENSORS_HEADER_BYTES)) {
    throw invalid(path, `header length is ${length} bytes, at most ${MAX_SAFETENSORS_HEADER_BYTES} are read`);
  }
  const dataStart = 8 + Number(length);
  if (dataStart > size) throw invalid(path, `header length is ${length} bytes, but the file ends after ${size}`);
  const found: StoredTensor[] = [];
  try {
    scanHeader(await read(8, dataStart), (name, fields) => {
      found.push(checkTensor(path, name, fields, dataStart, size));
    });
  } catch (error) {
    if (error instanceof HeaderFault) throw invalid(path, `header: ${error.message}`, error);
    throw error;
  }
  return { dataStart, tensors: checkPlaces(path, found, dataStart, size) };
}

/** Makes sure that the tensors' bytes fill the file, each byte belonging to one. */
function checkPlaces(
  path: string,
  found: readonly StoredTensor[],
  dataStart: number,
  size: number,
): ReadonlyMap<string, StoredTensor> {
  const tensors = found.toSorted((a, b) => a.start - b.start || a.end - b.end || (a.name < b.name ? -1 : 1));
  let at = dataStart;
  for (const { name, start, end } of tensors) {
    const label = `tensor ${shortName(name)}`;
    if (start < at) throw invalid(path, `${label}: data_offsets overlap the tensor before it`);
    if (start > at) throw invalid(path, `${label}: data_offsets leave a gap of ${start - at} bytes before it`);
    at = end;
  }
  if (at !== size) throw invalid(path, `${size - at} bytes behind the last tensor belong to none`);
  return new Map(tensors.map((tensor) => [tensor.name, tensor]));
}

function checkTensor(
  path: string,
  name: string,
  { dtype, shape, data_offsets: offsets }: TensorFields,
  dataStart: number,
  size: number,
): StoredTensor {
  const label = `tensor ${shortName(name)}`;
  if (typeof dtype !== 'string' || !Object.hasOwn(DTYPE_BYTES, dtype)) {
    throw invalid(path, `${label}: dtype ${JSON.stringify(dtype)} is none of ${Object.keys(DTYPE_BYTES).join(', ')}`);
  }
  if (!Array.isArray(shape) || !shape.every((dim) => Number.isSafeInteger(dim) && dim >= 0)) {
    throw invalid(path, `${label}: shape ${JSON.stringify(shape)} is no list of sizes`);
  }
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every((at) => Number.isSafeInteger(at) && at >= 0)) {
    throw invalid(path, `${label}: data_offsets ${JSON.stringify(offsets)} are no pair of positions`);
  }
  const [begin, finish] = offsets as [number, number];
  if (finish < begin || dataStart + finish > size) {
    throw invalid(path, `${label}: data_offsets [${begin}, ${finish}] leave the ${size - dataStart} bytes of data`);
  }
  const sizes = shape as number[];
  const bytes = sizes.reduce((product, dim) => product * dim, DTYPE_BYTES[dtype as SafetensorsDtype]);
  if (bytes !== finish - begin) {
    throw invalid(
      path,
      `${label}: shape [${sizes.join(', ')}] of ${dtype} takes ${bytes} bytes, data_offsets give ${finish - begin}`,
    );
  }
  return { name, dtype: dtype as SafetensorsDtype, shape: sizes, start: dataStart + begin, end: dataStart + finish };
}
