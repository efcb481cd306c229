import { HeaderFault, listAt, shortName, stringAt } from './safetensors-header.js';

/** Element types of safetensors with their widths in bytes, as its format page lists them. */
export const DTYPE_BYTES = {
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

/** A tensor to keep: places in the header instead of what is there. */
export interface TensorRow {
  /** See `ScannedTensor`. */
  readonly nameAt: number;
  readonly shapeAt: number;
  readonly dtype: SafetensorsDtype;
  readonly start: number;
  readonly end: number;
}

const DTYPES = Object.keys(DTYPE_BYTES) as SafetensorsDtype[];
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
/** Bytes of the shortest tensor in a header: `"":{"dtype":"U8","shape":[],"data_offsets":[0,0]}`. */
const MIN_ENTRY_BYTES = 49;

/** As many as a header can hold tensors, by its braces and its length. */
function mostTensors(header: Buffer): number {
  const most = Math.ceil(header.length / MIN_ENTRY_BYTES);
  let count = 0;
  for (let at = header.indexOf('{'); at >= 0 && count < most; at = header.indexOf('{', at + 1)) count++;
  return count;
}

/** Tells which of two rows comes first. */
type Compare = (a: number, b: number) => number;

/** Numbers from 0, in the order that `compare` says; none are made if they are in order already. */
function orderBy(count: number, compare: Compare): Int32Array | undefined {
  let sorted = 1;
  while (sorted < count && compare(sorted - 1, sorted) <= 0) sorted++;
  return sorted >= count ? undefined : mergeSorted(count, compare);
}

/** A sort of its own, since the language's takes 24 bytes a row when it is told how to compare, and this one 8. */
function mergeSorted(count: number, compare: Compare): Int32Array {
  let from = new Int32Array(count);
  let to = new Int32Array(count);
  for (let row = 1; row < count; row++) from[row] = row;
  for (let width = 1; width < count; width *= 2) {
    for (let low = 0; low < count; low += 2 * width) {
      const middle = Math.min(low + width, count);
      mergeRuns(from, to, [low, middle, Math.min(middle + width, count)], compare);
    }
    [from, to] = [to, from];
  }
  return from;
}

/** Merges two neighbouring runs of `from` into `to`. */
function mergeRuns(
  from: Int32Array,
  to: Int32Array,
  [low, middle, high]: readonly [number, number, number],
  compare: Compare,
): void {
  let left = low;
  let right = middle;
  for (let at = low; at < high; at++) {
    const isLeft = left < middle && (right >= high || compare(from[left] ?? 0, from[right] ?? 0) <= 0);
    to[at] = from[isLeft ? left++ : right++] ?? 0;
  }
}

/**
 * The tensors of a header by name, in the order in which their bytes lie in the file. It keeps the header and at most
 * 33 bytes a tensor, which is less than the tensor takes in the header; names and shapes are read from the header when
 * they are asked for. Objects and strings would take three times as much as the header.
 */
export class TensorTable {
  readonly #header: Buffer;
  readonly #hasEscapes: boolean;
  readonly #nameAt: Int32Array;
  readonly #shapeAt: Int32Array;
  readonly #dtype: Uint8Array;
  readonly #start: Float64Array;
  readonly #end: Float64Array;
  #size = 0;
  /** Rows by their places in the file, and by the bytes of their names; undefined: as they come in the header. */
  #byPlace: Int32Array | undefined;
  #byName: Int32Array | undefined;

  /** @param header the bytes that were scanned; kept */
  constructor(header: Buffer) {
    const most = mostTensors(header);
    this.#header = header;
    this.#hasEscapes = header.includes(BACKSLASH);
    this.#nameAt = new Int32Array(most);
    this.#shapeAt = new Int32Array(most);
    this.#dtype = new Uint8Array(most);
    this.#start = new Float64Array(most);
    this.#end = new Float64Array(most);
  }

  /** How many there are. */
  get size(): number {
    return this.#size;
  }

  /** Adds the next tensor of the header. */
  add({ nameAt, shapeAt, dtype, start, end }: TensorRow): void {
    const row = this.#size++;
    this.#nameAt[row] = nameAt;
    this.#shapeAt[row] = shapeAt;
    this.#dtype[row] = DTYPES.indexOf(dtype);
    this.#start[row] = start;
    this.#end[row] = end;
  }

  /** Ends adding. @throws HeaderFault if two have one name */
  sort(): void {
    const [start, end] = [this.#start, this.#end];
    const byName = (a: number, b: number): number => this.#compareNames(a, b);
    const byPlace = (a: number, b: number): number =>
      (start[a] ?? 0) - (start[b] ?? 0) || (end[a] ?? 0) - (end[b] ?? 0) || byName(a, b);
    this.#byPlace = orderBy(this.#size, byPlace);
    this.#byName = orderBy(this.#size, byName);
    for (let at = 1; at < this.#size; at++) {
      const row = this.#rowByName(at);
      if (byName(this.#rowByName(at - 1), row) === 0)
        throw new HeaderFault(`it names ${shortName(this.#nameOf(row))} twice`);
    }
  }

  /** The tensor of a name. */
  get(name: string): StoredTensor | undefined {
    const wanted = Buffer.from(name, 'utf8');
    let low = 0;
    let high = this.#size;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const row = this.#rowByName(middle);
      const order = wanted.compare(this.#nameBytes(row));
      if (order === 0) return this.#tensor(row);
      if (order < 0) high = middle;
      else low = middle + 1;
    }
    return undefined;
  }

  /** True if there is a tensor of a name. */
  has(name: string): boolean {
    return this.get(name) !== undefined;
  }

  /** The names. */
  *keys(): Generator<string> {
    for (let at = 0; at < this.#size; at++) yield this.#nameOf(this.#byPlace?.[at] ?? at);
  }

  /** The tensors, each made when it is come to. */
  *values(): Generator<StoredTensor> {
    for (let at = 0; at < this.#size; at++) yield this.#tensor(this.#byPlace?.[at] ?? at);
  }

  /** Where the bytes of each lie, without the rest of it. */
  *places(): Generator<Pick<TensorRow, 'nameAt' | 'start' | 'end'>> {
    for (let at = 0; at < this.#size; at++) {
      const row = this.#byPlace?.[at] ?? at;
      yield { nameAt: this.#nameAt[row] ?? 0, start: this.#start[row] ?? 0, end: this.#end[row] ?? 0 };
    }
  }

  /** The tensors with their names. */
  *[Symbol.iterator](): Generator<[string, StoredTensor]> {
    for (const tensor of this.values()) yield [tensor.name, tensor];
  }

  #rowByName(at: number): number {
    return this.#byName?.[at] ?? at;
  }

  #tensor(row: number): StoredTensor {
    return {
      name: this.#nameOf(row),
      dtype: DTYPES[this.#dtype[row] ?? 0] ?? 'U8',
      shape: listAt(this.#header, this.#shapeAt[row] ?? 0) as readonly number[],
      start: this.#start[row] ?? 0,
      end: this.#end[row] ?? 0,
    };
  }

  #nameOf(row: number): string {
    return stringAt(this.#header, this.#nameAt[row] ?? 0);
  }

  /** The bytes of a name, as they are in the header unless some are escaped. */
  #nameBytes(row: number): Uint8Array {
    const at = this.#nameAt[row] ?? 0;
    const bytes = this.#header.subarray(at + 1, this.#header.indexOf(QUOTE, at + 1));
    return bytes.includes(BACKSLASH) ? Buffer.from(this.#nameOf(row), 'utf8') : bytes;
  }

  #compareNames(a: number, b: number): number {
    const header = this.#header;
    if (this.#hasEscapes) return Buffer.compare(this.#nameBytes(a), this.#nameBytes(b));
    const [startA, startB] = [(this.#nameAt[a] ?? 0) + 1, (this.#nameAt[b] ?? 0) + 1];
    // Compared where they lie: sorting would make millions of views.
    return header.compare(header, startB, header.indexOf(QUOTE, startB), startA, header.indexOf(QUOTE, startA));
  }
}
