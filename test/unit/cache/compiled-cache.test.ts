import { chmod, lstat, mkdtemp, readdir, readFile, rm, truncate, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { CompiledCache, type CompiledFile } from '../../../src/cache/index.js';
import { digestHex, digestOf, ModelkeepError } from '../../../src/core/index.js';
import { writeCompiled } from './cache-bench.js';

const ONE = digestOf('version one');
const TWO = digestOf('version two');

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'modelkeep-compiled-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

/** Compiles to a graph and tensors, and counts how often. */
function compiler(...tensors: readonly string[]) {
  const count = { runs: 0 };
  const compile = (folder: string): Promise<readonly CompiledFile[]> => {
    count.runs += 1;
    return writeCompiled(folder, `graph of ${tensors.join()}`, tensors);
  };
  return { count, compile };
}

function openCache(target = 'this machine'): Promise<CompiledCache> {
  return CompiledCache.open({ directory, target });
}

test('compiles once, however many ask, in whatever cache object', async () => {
  const { count, compile } = compiler('a', 'b');
  const caches = [await openCache(), await openCache()];
  const folders = await Promise.all([...caches, ...caches].map((cache) => cache.ensure(ONE, compile)));
  expect(new Set(folders).size).toBe(1);
  expect(count.runs).toBe(1);
  expect(await readFile(join(folders[0] ?? '', 'model.onnx'), 'utf8')).toBe('graph of a,b');
});

test('does not find what was compiled for another target', async () => {
  await (await openCache('one processor')).ensure(ONE, compiler('a').compile);
  expect(await (await openCache('another processor')).find(ONE)).toBeUndefined();
});

test('holds a tensor of two versions once, and removes it with the last of them', async () => {
  const cache = await openCache();
  const one = await cache.ensure(ONE, compiler('shared', 'first').compile);
  const two = await cache.ensure(TWO, compiler('shared', 'second').compile);
  const shared = digestHex(digestOf('shared'));
  expect((await lstat(join(one, shared))).ino).toBe((await lstat(join(two, shared))).ino);
  await cache.remove(ONE);
  expect((await readdir(join(directory, 'tensors'))).toSorted()).toEqual(
    [shared, digestHex(digestOf('second'))].toSorted(),
  );
  expect(await readFile(join(two, shared), 'utf8')).toBe('shared');
  await cache.remove(TWO);
  expect(await readdir(join(directory, 'tensors'))).toEqual([]);
});

test.each([
  ['is cut off', async (file: string) => truncate(file, 2)],
  ['has another byte', async (file: string) => writeFile(file, 'tensoR')],
  ['is gone', async (file: string) => rm(file)],
])('drops an entry of which a tensor %s, and compiles again', async (_, damage) => {
  const { count, compile } = compiler('tensor', 'other');
  const cache = await openCache();
  const folder = await cache.ensure(ONE, compile);
  const file = join(folder, digestHex(digestOf('tensor')));
  await chmod(file, 0o644);
  await damage(file);
  expect(await cache.find(ONE)).toBeUndefined();
  expect(cache.dropped).toBe(1);
  expect(await cache.ensure(ONE, compile)).toBe(folder);
  expect(count.runs).toBe(2);
  expect(await readFile(file, 'utf8')).toBe('tensor');
});

test('hashes an entry at its first use, so that a byte that changed under its time is seen', async () => {
  const { compile } = compiler('tensor');
  const folder = await (await openCache()).ensure(ONE, compile);
  const file = join(folder, digestHex(digestOf('tensor')));
  const { atime, mtime } = await lstat(file);
  await chmod(file, 0o644);
  await writeFile(file, 'tensoR');
  await utimes(file, atime, mtime);
  const later = await openCache();
  expect(await later.find(ONE)).toBeUndefined();
  expect(later.dropped).toBe(1);
});

test('takes no tensor of an earlier start whose bytes changed under its time', async () => {
  const folder = await (await openCache()).ensure(ONE, compiler('shared').compile);
  const name = digestHex(digestOf('shared'));
  const { atime, mtime } = await lstat(join(folder, name));
  await chmod(join(folder, name), 0o644);
  await writeFile(join(folder, name), 'shareD');
  await utimes(join(folder, name), atime, mtime);
  const later = await openCache();
  const two = await later.ensure(TWO, compiler('shared').compile);
  expect(await readFile(join(two, name), 'utf8')).toBe('shared');
  expect(await readFile(join(directory, 'tensors', name), 'utf8')).toBe('shared');
});

test('makes nothing of files that are shorter than was said', async () => {
  const { compile } = compiler('tensor');
  const cut = async (folder: string): Promise<readonly CompiledFile[]> => {
    const files = await compile(folder);
    await truncate(join(folder, digestHex(digestOf('tensor'))), 2);
    return files;
  };
  const cache = await openCache();
  await expect(cache.ensure(ONE, cut)).rejects.toMatchObject({ code: 'INTERNAL' });
  expect(await readdir(join(directory, 'compiled'))).toEqual([]);
  expect(await readdir(join(directory, 'tensors'))).toEqual([]);
});

test('drops an entry whose list cannot be read', async () => {
  const folder = await (await openCache()).ensure(ONE, compiler('a').compile);
  await writeFile(join(folder, 'entry.json'), '[{"name"');
  const later = await openCache();
  expect(await later.find(ONE)).toBeUndefined();
  expect(await readdir(join(directory, 'compiled'))).toEqual([]);
});

async function failing(folder: string): Promise<never> {
  await writeFile(join(folder, 'model.onnx'), 'half');
  throw new ModelkeepError('RUNNER_CRASHED', 'The process ended');
}

test('leaves nothing behind of a compile that failed, and lets the next one try', async () => {
  const cache = await openCache();
  await expect(cache.ensure(ONE, failing)).rejects.toMatchObject({ code: 'RUNNER_CRASHED' });
  expect(await readdir(join(directory, 'compiled'))).toEqual([]);
  expect(await readdir(join(directory, 'partial'))).toEqual([]);
  expect(await cache.ensure(ONE, compiler('a').compile)).toBe(await cache.find(ONE));
});
