import { execFile } from 'node:child_process';
import { chmod, lstat, mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SegmentCache } from '../../../src/cache/index.js';
import { digestHex, digestOf, type VersionStore } from '../../../src/core/index.js';
import { openLocalStore, openMemoryStore } from '../../../src/stores/index.js';
import { CacheBench, publish, tellReads } from './cache-bench.js';
import { Script } from './script.js';

let bench: CacheBench;
let store: VersionStore;
beforeEach(async () => {
  bench = new CacheBench();
  store = await openLocalStore({ directory: join(bench.folder, 'store') });
});
afterEach(async () => {
  await store.close();
  bench.close();
});

/** Pulls a version as another node would, without links, and tells how many segments it read from the store. */
const PULL = `
  const [, directory, folder] = process.argv;
  const { openLocalStore } = await ROOM('stores');
  const { SegmentCache } = await ROOM('cache');
  const store = await openLocalStore({ directory });
  const cache = await SegmentCache.open({ directory: folder, maxBytes: 1e9 });
  let reads = 0;
  const counting = new Proxy(store, { get: (target, name) => {
    if (name === 'segmentFile') return undefined;
    if (name === 'readSegment') return (...args) => { reads += 1; return store.readSegment(...args); };
    return Reflect.get(target, name);
  } });
  const record = await store.resolve({ model: 'made-up', selector: { kind: 'latest' } });
  const manifest = await store.readManifest(record);
  console.log('ready');
  process.stdin.resume();
  process.stdin.once('end', async () => {
    const { fetchedSegments } = await cache.pull(counting, record, manifest);
    console.log(JSON.stringify({ reads, fetchedSegments }));
    await store.close();
  });
`;

describe('two processes that pull the same version at once', () => {
  it('fetch each segment once between them', async () => {
    const one = await publish(store, 'a', [600_000], 10_000);
    const args = [join(bench.folder, 'store'), join(bench.folder, 'cache')];
    await using first = new Script(PULL, args);
    await using second = new Script(PULL, args);
    expect(await Promise.all([first.line(), second.line()])).toEqual(['ready', 'ready']);
    first.go();
    second.go();
    const told = (await Promise.all([first.line(), second.line()])).map(
      (line) => JSON.parse(line) as { readonly reads: number; readonly fetchedSegments: number },
    );
    expect(told.reduce((sum, { reads }) => sum + reads, 0)).toBe(60);
    expect(told.reduce((sum, { fetchedSegments }) => sum + fetchedSegments, 0)).toBe(60);
    expect(await bench.names()).toEqual(one.names.toSorted());
    for (const name of one.names) {
      expect(digestHex(digestOf(await readFile(join(bench.folder, 'cache', 'segments', name))))).toBe(name);
    }
  });
});

describe('an embedded store on the same file system', () => {
  it('is linked, not copied', async () => {
    const told = tellReads(store);
    const one = await publish(told.store, 'a', [2_500]);
    const cache = await bench.open();
    const { folder, fetchedBytes } = await cache.pull(told.store, one.record, one.manifest);
    expect(fetchedBytes).toBe(0);
    expect(told.starts).toEqual([]);
    for (const { digest, size } of one.manifest.files.flatMap(({ segments }) => segments)) {
      const source = await store.segmentFile?.({ digest, size });
      const [there, here] = [await lstat(source ?? ''), await lstat(join(folder, digestHex(digest)))];
      expect([here.ino, here.dev]).toEqual([there.ino, there.dev]);
    }
  });

  it('whose segment is damaged is not served', async () => {
    const one = await publish(store, 'a', [1_000]);
    const [segment] = one.manifest.files.flatMap(({ segments }) => segments);
    const file = (segment && (await store.segmentFile?.(segment))) ?? '';
    await chmod(file, 0o644);
    await writeFile(file, Buffer.alloc(1_000));
    const cache = await bench.open();
    await expect(cache.pull(store, one.record, one.manifest)).rejects.toMatchObject({ code: 'DIGEST_MISMATCH' });
    expect(await bench.names()).toEqual([]);
  });
});

describe('another file system', () => {
  it('gets copies', async ({ skip }) => {
    const disk = await mountSmallDisk(bench, '1m');
    if (disk === undefined) skip('this user may mount no file system');
    try {
      const one = await publish(store, 'a', [2_500]);
      const cache = await SegmentCache.open({ directory: disk?.path ?? '', maxBytes: 1e9 });
      const { folder, fetchedBytes } = await cache.pull(store, one.record, one.manifest);
      expect(fetchedBytes).toBe(0);
      for (const name of one.names) {
        expect(digestHex(digestOf(await readFile(join(folder, name))))).toBe(name);
        expect((await stat(join(folder, name))).nlink).toBe(1);
      }
    } finally {
      await disk?.unmount();
    }
  });
});

describe('a full disk', () => {
  it('is STORE_UNAVAILABLE, and the pull can be repeated when there is room', async ({ skip }) => {
    const disk = await mountSmallDisk(bench, '300k');
    if (disk === undefined) skip('this user may mount no file system');
    try {
      const memory = await openMemoryStore();
      const one = await publish(memory, 'a', [200_000], 50_000);
      const filler = join(disk?.path ?? '', 'filler');
      await writeFile(filler, Buffer.alloc(200_000));
      const cache = await SegmentCache.open({ directory: disk?.path ?? '', maxBytes: 1e9 });
      await expect(cache.pull(memory, one.record, one.manifest)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
      await writeFile(filler, '');
      await cache.pull(memory, one.record, one.manifest);
      for (const name of one.names) {
        expect(digestHex(digestOf(await readFile(join(cache.folder, name))))).toBe(name);
      }
      await memory.close();
    } finally {
      await disk?.unmount();
    }
  });
});

/** A file system of its own in memory, where this process may mount one. */
async function mountSmallDisk(
  { folder }: CacheBench,
  size: string,
): Promise<{ readonly path: string; unmount(): Promise<unknown> } | undefined> {
  const path = join(folder, 'disk');
  const run = promisify(execFile);
  await mkdir(path);
  try {
    await run('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', path]);
  } catch {
    return undefined;
  }
  return { path, unmount: () => run('umount', [path]) };
}
