import { expect, test } from 'vitest';
import { NumberWatch } from '../../../src/formats/number-watch.js';
import type { StoredTensor } from '../../../src/formats/tensor-table.js';

const HEADER = 104;

/** Tensors of a file, one behind the other, with their bytes: all numbers are 1. */
function fileOf(parts: readonly (readonly [string, StoredTensor['dtype'], number])[]) {
  const tensors: StoredTensor[] = [];
  const blocks = [Buffer.alloc(HEADER)];
  let at = HEADER;
  for (const [name, dtype, count] of parts) {
    const width = dtype === 'F32' || dtype === 'I32' ? 4 : 2;
    const one = dtype === 'F32' ? [0, 0, 0x80, 0x3f] : dtype === 'F16' ? [0, 0x3c] : [0x80, 0x3f];
    blocks.push(Buffer.alloc(count * width, Buffer.from(one)));
    tensors.push({ name, dtype, shape: [count], start: at, end: at + count * width });
    at += count * width;
  }
  return { tensors, bytes: Buffer.concat(blocks) };
}

function warningsOf({ tensors, bytes }: ReturnType<typeof fileOf>, partBytes: number): readonly string[] {
  const watch = new NumberWatch('model.safetensors', tensors);
  for (let at = 0; at < bytes.length; at += partBytes) watch.see(bytes.subarray(at, at + partBytes), at);
  return watch.warnings;
}

const LAYERS = [
  ['bias', 'F32', 1_000],
  ['half', 'F16', 500],
  ['brain', 'BF16', 500],
  ['count', 'I32', 500],
  ['table', 'F32', 100_000],
  ['last', 'F32', 3],
] as const;

test.each([64, 1_000, 4_096, 1_000_000])('numbers that are finite are not warned of, in parts of %i bytes', (part) => {
  expect(warningsOf(fileOf(LAYERS), part)).toEqual([]);
});

test.each([
  ['bias', 999, 0x7f80],
  ['half', 0, 0x7c00],
  ['half', 499, 0xfe01],
  ['brain', 250, 0x7fc0],
  ['last', 2, 0xffc0],
  ['table', 0, 0x7f80],
  // The last of its blocks begins at byte 372,736.
  ['table', 93_500, 0x7f80],
])('one of %s that is not finite, at %i, is named once, however the file is cut', (name, index, upper) => {
  const file = fileOf(LAYERS);
  const tensor = file.tensors.find((each) => each.name === name);
  const width = tensor?.dtype === 'F32' ? 4 : 2;
  file.bytes.writeUInt16LE(upper, (tensor?.start ?? 0) + index * width + width - 2);
  for (const part of [64, 1_000, 4_096, 1_000_000]) {
    expect(warningsOf(file, part)).toEqual([expect.stringContaining(`"${name}" of model.safetensors`)]);
  }
});

test('other kinds of numbers are not looked at', () => {
  const file = fileOf(LAYERS);
  const { start = 0, end = 0 } = file.tensors.find(({ name }) => name === 'count') ?? {};
  file.bytes.fill(0xff, start, end);
  expect(warningsOf(file, 4_096)).toEqual([]);
});
