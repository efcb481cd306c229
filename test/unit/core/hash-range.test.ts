import { mkdtemp, open, rm, writeFile, type FileHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { digestOf, hashRange } from '../../../src/core/index.js';

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
  const digest = await hashRange(file, start, size, { onBytes: (count) => seen.push(count) });
  expect(digest).toBe(digestOf(bytes.subarray(start, start + size)));
  expect(seen.reduce((sum, count) => sum + count, 0)).toBe(size);
});

test.each([MiB, 21 * MiB])('there is none of %i bytes that the file ends before', async (size) => {
  expect(await hashRange(file, bytes.length - size + 1, size)).toBeUndefined();
});

test.each([MiB, 20 * MiB])('it is given up when the signal fires, of %i bytes too', async (size) => {
  await expect(hashRange(file, 0, size, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'CANCELLED' });
});
