import { readdirSync, readlinkSync } from 'node:fs';
import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Tensor } from 'onnxruntime-node';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { FloatDtype, WordTable } from '../../../src/formats/index.js';
import { WordRows } from '../../../src/runners/onnx/word-rows.js';

const COLUMNS = 384;
/** More rows than are kept, so that words drive one another out. */
const ROWS = 2_000;
/** Bytes in the file before the table. */
const OFFSET = 24;

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'modelkeep-words-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** A float that all widths hold exactly. */
function valueAt(row: number, column: number): number {
  return ((row * 31 + column) % 128) - 64;
}

const ENCODE: Record<
  FloatDtype,
  { readonly bytes: number; readonly write: (into: Buffer, value: number, at: number) => void }
> = {
  F32: { bytes: 4, write: (into, value, at) => into.writeFloatLE(value, at) },
  F64: { bytes: 8, write: (into, value, at) => into.writeDoubleLE(value, at) },
  BF16: { bytes: 2, write: (into, value, at) => into.writeUInt16LE(bitsOf(value) >>> 16, at) },
  // Whole numbers up to 64: exponent and fraction of the float32, shortened.
  F16: {
    bytes: 2,
    write: (into, value, at) => {
      const bits = bitsOf(value);
      const half = value === 0 ? 0 : ((((bits >>> 23) & 0xff) - 127 + 15) << 10) | ((bits >>> 13) & 0x3ff);
      into.writeUInt16LE(half | (bits >>> 31 ? 0x8000 : 0), at);
    },
  },
};

function bitsOf(value: number): number {
  return new Uint32Array(Float32Array.of(value).buffer)[0]!;
}

async function tableOf(dtype: FloatDtype, rows = ROWS): Promise<WordTable> {
  const { bytes, write } = ENCODE[dtype];
  const file = join(folder, `table-${dtype}`);
  const content = Buffer.alloc(OFFSET + rows * COLUMNS * bytes, 0xff);
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < COLUMNS; column++)
      write(content, valueAt(row, column), OFFSET + (row * COLUMNS + column) * bytes);
  await writeFile(file, content);
  return { file, offset: OFFSET, rows, columns: COLUMNS, dtype };
}

function feedsOf(ids: readonly number[], mask: readonly number[] = ids.map(() => 1)): Record<string, Tensor> {
  return {
    input_ids: new Tensor('int64', BigInt64Array.from(ids, BigInt), [1, ids.length]),
    attention_mask: new Tensor('int64', BigInt64Array.from(mask, BigInt), [1, mask.length]),
  };
}

function rowsIn(feeds: Record<string, Tensor>): number[][] {
  const { data, dims } = feeds['word_rows']!;
  const [count = 0, columns = 0] = dims;
  return Array.from({ length: count }, (_, row) => [
    ...(data as Float32Array).subarray(row * columns, (row + 1) * columns),
  ]);
}

function rowOf(id: number): number[] {
  return Array.from({ length: COLUMNS }, (_, column) => valueAt(id, column));
}

function openFiles(): number {
  return readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith(folder);
    } catch {
      // The folder's own descriptor is closed by now.
      return false;
    }
  }).length;
}

describe('rows of words', () => {
  test.each(['F32', 'F64', 'F16', 'BF16'] as const)('of a table of %s are those that were asked for', async (dtype) => {
    const words = new WordRows(await tableOf(dtype));
    // The first and the last, one twice, and words that share a slot with others.
    const ids = [0, ROWS - 1, 7, 7, 7 + 682, 7, 1364, 3];
    expect(rowsIn(words.addTo(feedsOf(ids)))).toEqual(ids.map(rowOf));
    expect(rowsIn(words.addTo(feedsOf(ids.toReversed())))).toEqual(ids.toReversed().map(rowOf));
    words.close();
  });

  test('leave out places that only fill up, whatever id stands there', async () => {
    const words = new WordRows(await tableOf('F32'));
    const fed = words.addTo(feedsOf([5, 999_999, 6, 8], [1, -1, 0, 1]));
    expect(rowsIn(fed)).toEqual([5, 6, 8].map(rowOf));
    expect(fed['input_ids']?.dims).toEqual([1, 4]);
    // Nor do they take room: with it, these would ask for 3 GB.
    const filling = Array.from({ length: 2_000_000 }, () => -1);
    expect(words.addTo(feedsOf(filling, filling))['word_rows']?.dims).toEqual([0, COLUMNS]);
    words.close();
  });

  test('of a large run, and of a small one behind it', async () => {
    const words = new WordRows(await tableOf('F32'));
    const many = Array.from({ length: 3_000 }, (_, at) => (at * 13) % ROWS);
    expect(rowsIn(words.addTo(feedsOf(many)))).toEqual(many.map(rowOf));
    expect(rowsIn(words.addTo(feedsOf([1])))).toEqual([rowOf(1)]);
    words.close();
  });

  test.each([
    { id: ROWS, what: 'one behind the last' },
    { id: -1, what: 'a negative one' },
    { id: 2 ** 53, what: 'one that is no index' },
  ])('refuse $what, naming it, and go on', async ({ id }) => {
    const words = new WordRows(await tableOf('F32'));
    expect(() => words.addTo(feedsOf([4, id]))).toThrow(
      expect.objectContaining({
        code: 'INVALID_INPUT',
        message: expect.stringMatching(new RegExp(`^input_ids: ${id} at place 1 .* Send ids from 0 to 1999$`)),
      }),
    );
    expect(rowsIn(words.addTo(feedsOf([4])))).toEqual([rowOf(4)]);
    words.close();
  });

  test('of a file that was cut off are refused, those before the cut are not', async () => {
    const table = await tableOf('F32');
    const words = new WordRows(table);
    await truncate(table.file, OFFSET + 10 * COLUMNS * 4 + 1);
    for (let again = 0; again < 2; again++)
      expect(() => words.addTo(feedsOf([10]))).toThrow(
        expect.objectContaining({ code: 'LOAD_FAILED', message: expect.stringContaining(table.file) }),
      );
    expect(rowsIn(words.addTo(feedsOf([9])))).toEqual([rowOf(9)]);
    words.close();
  });

  test('are not made of feeds that the runtime will refuse', async () => {
    const words = new WordRows(await tableOf('F32'));
    const { input_ids: ids, attention_mask: mask } = feedsOf([1, 2]);
    const other = new Tensor('int64', BigInt64Array.of(1n), [1, 1]);
    for (const feeds of [
      {},
      { input_ids: ids! },
      { attention_mask: mask! },
      { input_ids: ids!, attention_mask: other },
    ])
      expect(words.addTo(feeds)).toBe(feeds);
    words.close();
  });

  test.skipIf(process.platform !== 'linux')(
    'of one table have one open file, until the last version closes it',
    async () => {
      const table = await tableOf('F32');
      const versions = [new WordRows(table), new WordRows(table), new WordRows(table)];
      expect(openFiles()).toBe(1);
      versions[0]?.close();
      versions[0]?.close();
      versions[1]?.close();
      expect(openFiles()).toBe(1);
      expect(rowsIn(versions[2]!.addTo(feedsOf([3])))).toEqual([rowOf(3)]);
      versions[2]?.close();
      expect(openFiles()).toBe(0);
    },
  );

  test('of one file in two shapes are not mistaken for each other', async () => {
    const table = await tableOf('F32', 4);
    const narrow = { ...table, rows: 8, columns: COLUMNS / 2 };
    const [words, halves] = [new WordRows(table), new WordRows(narrow)];
    expect(rowsIn(words.addTo(feedsOf([1])))).toEqual([rowOf(1)]);
    expect(rowsIn(halves.addTo(feedsOf([2, 3]))).flat()).toEqual(rowOf(1));
    words.close();
    halves.close();
  });

  test('of a file that is gone cannot be opened, which leaves nothing behind', async () => {
    const table = await tableOf('F32', 2);
    await rm(table.file);
    expect(() => new WordRows(table)).toThrow('ENOENT');
    await tableOf('F32', 2);
    const words = new WordRows(table);
    expect(rowsIn(words.addTo(feedsOf([1])))).toEqual([rowOf(1)]);
    words.close();
  });
});
