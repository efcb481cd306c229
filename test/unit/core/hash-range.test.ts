import { mkdtemp, open, rm, writeFile, type FileHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { digestOf, hashRange, hashRuns } from '../../../src/core/index.js';

const MiB = 1024 * 1024;
// Above what is hashed in one piece, and no multiple of a read.
const bytes = Buffer.alloc(21 * MiB + 13);
for (let at = 0; at < bytes.length; at += 97) bytes[at] = at % 251;

let folder = '';
let file: FileHandle;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'modelkeep-hash-'));
  await writeFile(join(folder, 'weights'), bytes);
  file = await open(join(folder, 'weights'));
});
afterAll(async () => {
  await file.close();
  await rm(folder, { recursive: true, force: true });
});

test.each([
  [0, 0],
  [0, 1],
  [5, 8 * MiB],
  [0, 16 * MiB],
  [3, 16 * MiB + 1],
  [0, 20 * MiB],
  [13, 21 * MiB],
])('from %i, %i bytes: the digest of exactly those', async (start, size) => {
  const seen: number[] = [];
  const digest = await hashRange(file, start, size, { onPart: (part) => seen.push(part.length) });
  expect(digest).toBe(digestOf(bytes.subarray(start, start + size)));
  expect(seen.reduce((sum, count) => sum + count, 0)).toBe(size);
});

test.each([MiB, 21 * MiB])('there is none of %i bytes that the file ends before', async (size) => {
  expect(await hashRange(file, bytes.length - size + 1, size)).toBeUndefined();
});

test.each([MiB, 20 * MiB])('it is given up when the signal fires, of %i bytes too', async (size) => {
  await expect(hashRange(file, 0, size, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'CANCELLED' });
});

test('runs that follow one another have the digests of their bytes, wherever reads are cut', async () => {
  const sizes = [0, 1, 8 * MiB, 0, 5, 2 * MiB - 6, 11 * MiB, 13];
  const seen: number[] = [];
  const digests = await hashRuns(file, sizes, {
    onPart: (part, position) => {
      expect(part.equals(bytes.subarray(position, position + part.length))).toBe(true);
      seen.push(part.length);
    },
  });
  let at = 0;
  expect(digests).toEqual(sizes.map((size) => digestOf(bytes.subarray(at, (at += size)))));
  expect(seen.reduce((sum, count) => sum + count, 0)).toBe(at);
  expect(await hashRuns(file, [20 * MiB, 2 * MiB])).toBeUndefined();
  expect(await hashRuns(file, [])).toEqual([]);
});
