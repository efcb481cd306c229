/**
 * Weights in 8 bits. The arithmetic is the simplest there is: a run of weights shares the scale `max |w| / limit`, and
 * each becomes the nearest whole number of scales. Symmetric, so that 0 stays 0.
 */

/** Bits of a quantized weight: 7 where a processor's 16-bit sums of products of 8 bits would overflow. */
export type WeightBits = 7 | 8;

/** Weights of a [to, from] matrix that share a scale in {@link quantizeBlocks}. */
export const BLOCK_WEIGHTS = 32;
/** Where scales begin behind the codes: the next multiple of a cache line. */
const LINE_BYTES = 64;
/** Rows that are written side by side: they fill a cache line of the transposed matrix. */
const TILE_ROWS = 64;

/** Where a part of a quantized tensor lies in its bytes. */
export interface QuantizedPart {
  readonly offset: number;
  readonly bytes: number;
}

/** The largest code: 127, or 63 with 7 bits. */
function limitOf(bits: WeightBits): number {
  return 2 ** (bits - 1) - 1;
}

/** `max |w|` of a run; not a number if one of them is none, so that damage is seen and not rounded away. */
function largest(weights: Float32Array, from: number, to: number): number {
  let max = 0;
  let check = 0;
  for (let at = from; at < to; at++) {
    const weight = weights[at] ?? 0;
    const size = weight < 0 ? -weight : weight;
    if (size > max) max = size;
    check += weight - weight;
  }
  return max + check;
}

function nearest(value: number): number {
  return value < 0 ? (value - 0.5) | 0 : (value + 0.5) | 0;
}

function inverse(scale: number): number {
  return scale === 0 ? 0 : 1 / scale;
}

function follow(offset: number): number {
  return Math.ceil(offset / LINE_BYTES) * LINE_BYTES;
}

/** The layout of what {@link quantizeRows} makes. */
export function rowsLayout(
  rows: number,
  columns: number,
): { readonly codes: QuantizedPart; readonly scales: QuantizedPart } {
  const bytes = rows * columns;
  return { codes: { offset: 0, bytes }, scales: { offset: follow(bytes), bytes: 4 * rows } };
}

/**
 * A scale for each row of a [rows, columns] matrix; the codes are int8.
 *
 * @param transposed true: codes as [columns, rows], the order in which integer matrix products read their right side
 */
export function quantizeRows(
  weights: Float32Array,
  [rows, columns]: readonly [number, number],
  bits: WeightBits,
  transposed: boolean,
): Uint8Array {
  const layout = rowsLayout(rows, columns);
  const bytes = new Uint8Array(layout.scales.offset + layout.scales.bytes);
  const codes = new Int8Array(bytes.buffer, 0, rows * columns);
  const scales = new Float32Array(bytes.buffer, layout.scales.offset, rows);
  const limit = limitOf(bits);
  const inverses = new Float64Array(rows);
  for (let row = 0; row < rows; row++) {
    const scale = Math.fround(largest(weights, row * columns, (row + 1) * columns) / limit);
    scales[row] = scale;
    inverses[row] = inverse(scale);
  }
  if (!transposed) {
    for (let row = 0, at = 0; row < rows; row++) {
      const factor = inverses[row] ?? 0;
      for (const end = at + columns; at < end; at++) codes[at] = nearest((weights[at] ?? 0) * factor);
    }
    return bytes;
  }
  for (let first = 0; first < rows; first += TILE_ROWS) {
    const last = Math.min(rows, first + TILE_ROWS);
    for (let column = 0; column < columns; column++) {
      const to = column * rows;
      for (let row = first; row < last; row++)
        codes[to + row] = nearest((weights[row * columns + column] ?? 0) * (inverses[row] ?? 0));
    }
  }
  return bytes;
}

/** The layout of what {@link quantizeBlocks} makes; `zeros` are the codes that stand for 0. */
export function blocksLayout(
  rows: number,
  columns: number,
): { readonly codes: QuantizedPart; readonly scales: QuantizedPart; readonly zeros: QuantizedPart } {
  const blocks = rows * Math.ceil(columns / BLOCK_WEIGHTS);
  const bytes = blocks * BLOCK_WEIGHTS;
  const scales = { offset: follow(bytes), bytes: 4 * blocks };
  return {
    codes: { offset: 0, bytes },
    scales,
    zeros: { offset: follow(scales.offset + scales.bytes), bytes: blocks },
  };
}

/**
 * A scale for each 32 neighbours of a row, as MatMulNBits of onnxruntime reads them: codes are uint8 [rows, blocks, 32],
 * and 0 is 128, or 64 with 7 bits, so that those stay below 128 and no sum of two products overflows.
 */
export function quantizeBlocks(
  weights: Float32Array,
  [rows, columns]: readonly [number, number],
  bits: WeightBits,
): Uint8Array {
  const { scales: at, zeros } = blocksLayout(rows, columns);
  const bytes = new Uint8Array(zeros.offset + zeros.bytes);
  const perRow = Math.ceil(columns / BLOCK_WEIGHTS);
  const scales = new Float32Array(bytes.buffer, at.offset, rows * perRow);
  const limit = limitOf(bits);
  const zero = limit + 1;
  bytes.fill(zero, 0, rows * perRow * BLOCK_WEIGHTS).fill(zero, zeros.offset);
  for (let row = 0; row < rows; row++) {
    for (let block = 0; block < perRow; block++) {
      const index = row * perRow + block;
      const from = row * columns + block * BLOCK_WEIGHTS;
      const end = Math.min(from + BLOCK_WEIGHTS, (row + 1) * columns);
      const scale = Math.fround(largest(weights, from, end) / limit);
      const factor = inverse(scale);
      scales[index] = scale;
      for (let one = from, to = index * BLOCK_WEIGHTS; one < end; one++, to++)
        bytes[to] = nearest((weights[one] ?? 0) * factor) + zero;
    }
  }
  return bytes;
}
