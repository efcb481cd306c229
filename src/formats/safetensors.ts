import { ModelkeepError } from '../core/index.js';
import { HeaderFault, scanHeader, shortName, stringAt, type ScannedTensor } from './safetensors-header.js';
import { DTYPE_BYTES, TensorTable, type SafetensorsDtype, type TensorRow } from './tensor-table.js';

/** Largest header that is read, in bytes: 100 MB, the bound of the reference implementation of safetensors. */
export const MAX_SAFETENSORS_HEADER_BYTES = 100_000_000;

/** A checked header. */
export interface SafetensorsHeader {
  /** Bytes before the first tensor: the 8 of the length and the JSON. */
  readonly dataStart: number;
  /** By name, in the order in which their bytes lie in the file. */
  readonly tensors: TensorTable;
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
  const header = await read(8, dataStart);
  const tensors = new TensorTable(header);
  try {
    scanHeader(header, (name, scanned) => tensors.add(checkTensor(path, name, scanned, { dataStart, size })));
    tensors.sort();
  } catch (error) {
    if (error instanceof HeaderFault) throw invalid(path, `header: ${error.message}`, error);
    throw error;
  }
  checkPlaces(path, { tensors, header }, dataStart, size);
  return { dataStart, tensors };
}

/** Makes sure that the tensors' bytes fill the file, each byte belonging to one. */
function checkPlaces(
  path: string,
  { tensors, header }: { readonly tensors: TensorTable; readonly header: Buffer },
  dataStart: number,
  size: number,
): void {
  let at = dataStart;
  for (const { nameAt, start, end } of tensors.places()) {
    const label = (): string => `tensor ${shortName(stringAt(header, nameAt))}`;
    if (start < at) throw invalid(path, `${label()}: data_offsets overlap the tensor before it`);
    if (start > at) throw invalid(path, `${label()}: data_offsets leave a gap of ${start - at} bytes before it`);
    at = end;
  }
  if (at !== size) throw invalid(path, `${size - at} bytes behind the last tensor belong to none`);
}

function checkTensor(
  path: string,
  name: string,
  { nameAt, shapeAt, fields: { dtype, shape, data_offsets: offsets } }: ScannedTensor,
  { dataStart, size }: { readonly dataStart: number; readonly size: number },
): TensorRow {
  const wrong = (what: string): ModelkeepError => invalid(path, `tensor ${shortName(name)}: ${what}`);
  if (typeof dtype !== 'string' || !Object.hasOwn(DTYPE_BYTES, dtype)) {
    throw wrong(`dtype ${JSON.stringify(dtype)} is none of ${Object.keys(DTYPE_BYTES).join(', ')}`);
  }
  if (shapeAt === undefined || !Array.isArray(shape) || !shape.every(isSize)) {
    throw wrong(`shape ${JSON.stringify(shape)} is no list of sizes`);
  }
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isSize)) {
    throw wrong(`data_offsets ${JSON.stringify(offsets)} are no pair of positions`);
  }
  const [begin, finish] = offsets as [number, number];
  if (finish < begin || dataStart + finish > size) {
    throw wrong(`data_offsets [${begin}, ${finish}] leave the ${size - dataStart} bytes of data`);
  }
  const bytes = shape.reduce((product, dim) => product * dim, DTYPE_BYTES[dtype as SafetensorsDtype]);
  if (bytes !== finish - begin) {
    throw wrong(`shape [${shape.join(', ')}] of ${dtype} takes ${bytes} bytes, data_offsets give ${finish - begin}`);
  }
  return { nameAt, shapeAt, dtype: dtype as SafetensorsDtype, start: dataStart + begin, end: dataStart + finish };
}

function isSize(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
