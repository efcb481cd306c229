import { describe, expect, test } from 'vitest';
import {
  BLOCK_WEIGHTS,
  blocksLayout,
  quantizeBlocks,
  quantizeRows,
  rowsLayout,
  type WeightBits,
} from '../../../src/formats/quantize/quantize.js';
import { readFloats } from '../../../src/formats/index.js';
import type { SafetensorsDtype } from '../../../src/formats/tensor-table.js';
import { memoryFiles } from './memory-files.js';

const ROWS = 5;
const COLUMNS = 70;
const weights = Float32Array.from({ length: ROWS * COLUMNS }, (_, at) => Math.sin(at * 12.9898) * (1 + (at % 7)));

function partsOf(bytes: Uint8Array, layout: { codes: { bytes: number }; scales: { offset: number; bytes: number } }) {
  return {
    codes: bytes.subarray(0, layout.codes.bytes),
    scales: new Float32Array(bytes.buffer, layout.scales.offset, layout.scales.bytes / 4),
  };
}

describe.each([8, 7] as const)('with %i bits', (bits: WeightBits) => {
  const limit = bits === 8 ? 127 : 63;

  test('each row has the scale of its largest weight, and every weight is within half a scale', () => {
    const bytes = quantizeRows(weights, [ROWS, COLUMNS], bits, false);
    const { codes, scales } = partsOf(bytes, rowsLayout(ROWS, COLUMNS));
    const signed = new Int8Array(codes.buffer, codes.byteOffset, codes.length);
    expect(Math.max(...signed.map(Math.abs))).toBe(limit);
    for (const [at, weight] of weights.entries()) {
      const scale = scales[Math.trunc(at / COLUMNS)] ?? Number.NaN;
      expect(Math.abs((signed[at] ?? 0) * scale - weight)).toBeLessThanOrEqual(scale * 0.5001);
    }
  });

  test('transposed codes are the same codes at other places', () => {
    const { codes } = partsOf(quantizeRows(weights, [ROWS, COLUMNS], bits, false), rowsLayout(ROWS, COLUMNS));
    const other = partsOf(quantizeRows(weights, [ROWS, COLUMNS], bits, true), rowsLayout(ROWS, COLUMNS)).codes;
    for (let row = 0; row < ROWS; row++)
      for (let column = 0; column < COLUMNS; column++)
        expect(other[column * ROWS + row]).toBe(codes[row * COLUMNS + column]);
  });

  test('blocks have a scale each, and what is left of the last one stands for 0', () => {
    const bytes = quantizeBlocks(weights, [ROWS, COLUMNS], bits);
    const layout = blocksLayout(ROWS, COLUMNS);
    const { codes, scales } = partsOf(bytes, layout);
    const perRow = Math.ceil(COLUMNS / BLOCK_WEIGHTS);
    const zero = limit + 1;
    expect([...bytes.subarray(layout.zeros.offset)]).toEqual(Array.from({ length: ROWS * perRow }, () => zero));
    for (let row = 0; row < ROWS; row++) {
      for (let column = 0; column < perRow * BLOCK_WEIGHTS; column++) {
        const code = codes[row * perRow * BLOCK_WEIGHTS + column] ?? 0;
        const scale = scales[row * perRow + Math.trunc(column / BLOCK_WEIGHTS)] ?? 0;
        const wanted = column < COLUMNS ? (weights[row * COLUMNS + column] ?? 0) : 0;
        const most = column < COLUMNS ? scale * 0.5001 : 0;
        expect(Math.abs((code - zero) * scale - wanted)).toBeLessThanOrEqual(most);
      }
    }
  });

  test('zeros stay zeros, and a weight that is no number is not hidden', () => {
    const odd = new Float32Array([0, 0, 0, 1, Number.NaN, 2, Number.POSITIVE_INFINITY, 1, 1]);
    const { codes, scales } = partsOf(quantizeRows(odd, [3, 3], bits, false), rowsLayout(3, 3));
    expect([...codes.subarray(0, 3)]).toEqual([0, 0, 0]);
    expect(scales[0]).toBe(0);
    expect(scales[1]).toBeNaN();
    expect(Number.isFinite(scales[2])).toBe(false);
  });
});

test('with 7 bits no sum of two products of 8 bits leaves 16 bits', () => {
  const largestActivation = 255;
  expect(2 * largestActivation * 63).toBeLessThanOrEqual(32_767);
  expect(2 * largestActivation * 127).toBeGreaterThan(32_767);
  // In blocks the weights are the unsigned side and activations the signed one.
  const codes = quantizeBlocks(weights, [ROWS, COLUMNS], 7).subarray(0, blocksLayout(ROWS, COLUMNS).codes.bytes);
  expect(2 * 127 * Math.max(...codes)).toBeLessThanOrEqual(32_767);
});

async function widened(bytes: ArrayBufferLike, dtype: SafetensorsDtype, count: number): Promise<number[]> {
  // They need not lie where an array of floats may begin.
  const file = Buffer.concat([Buffer.from([9]), Buffer.from(bytes)]);
  const tensor = { name: 'w', dtype, shape: [count], start: 1, end: file.byteLength };
  return [...(await readFloats(memoryFiles({ 'model.safetensors': file }), 'model.safetensors', tensor))];
}

test('weights of other widths are widened as they are', async () => {
  const halves = new Uint16Array([0x3c_00, 0xc0_00, 0x00_01, 0x7c_00, 0x7e_00, 0x80_00]);
  const infinite = Number.POSITIVE_INFINITY;
  expect(await widened(halves.buffer, 'F16', 6)).toEqual([1, -2, 2 ** -24, infinite, Number.NaN, -0]);
  expect(await widened(new Uint16Array([0x3f_80, 0xc0_00, 0x7f_80]).buffer, 'BF16', 3)).toEqual([1, -2, infinite]);
  expect(await widened(new Float32Array([1.5, -3]).buffer, 'F32', 2)).toEqual([1.5, -3]);
  expect(await widened(new Float64Array([0.5, -3]).buffer, 'F64', 2)).toEqual([0.5, -3]);
  await expect(widened(halves.buffer, 'I8', 12)).rejects.toMatchObject({ code: 'UNSUPPORTED_FORMAT' });
});
