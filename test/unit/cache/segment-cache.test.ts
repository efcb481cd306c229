import { chmod, lstat, mkdir, open, readFile, rm, symlink, truncate, utimes, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SegmentCache, type PullResult } from '../../../src/cache/index.js';
import { digestHex, digestOf, ModelkeepError, throwIfAborted, type VersionStore } from '../../../src/core/index.js';
import { openMemoryStore } from '../../../src/stores/index.js';
import { CacheBench, publish, tellReads, type Published } from './cache-bench.js';

let bench: CacheBench;
let memory: VersionStore;
beforeEach(async () => {
  bench = new CacheBench();
  memory = await openMemoryStore();
});
afterEach(async () => {
  await memory.close();
  bench.close();
});

/** Pulls a version and checks that all its segments are there with the right bytes. */
async function pullAll(cache: SegmentCache, store: VersionStore, one: Published): Promise<PullResult> {
  const result = await cache.pull(store, one.record, one.manifest);
  for (const name of one.names) expect(digestHex(digestOf(await readFile(join(result.folder, name))))).toBe(name);
  return result;
}

/** The bytes of the only segment of a version. */
async function bytesOf(one: Published): Promise<Buffer> {
  const cache = await bench.open(1e9, 'elsewhere');
  const { folder } = await cache.pull(memory, one.record, one.manifest);
  return readFile(join(folder, one.names[0] ?? ''));
}

/** Bytes of the right length that nobody published. */
async function* lie(): AsyncGenerator<Buffer> {
  yield Buffer.alloc(1_000, 7);
}

describe('a pull', () => {
  it('brings each distinct segment once, tells how far it is, and nothing the second time', async () => {
    const { store, starts } = tellReads(memory);
    const one = await publish(store, 'a', [3_500, 10, 2_000]);
    const cache = await bench.open();
    const progress: number[] = [];
    const result = await cache.pull(store, one.record, one.manifest, {
      onProgress: ({ doneBytes, totalBytes }) => progress.push(doneBytes / totalBytes),
    });
    expect(result).toEqual({
      folder: join(bench.folder, 'cache', 'segments'),
      fetchedBytes: 5_510,
      fetchedSegments: 7,
    });
    expect(starts).toEqual([0, 0, 0, 0, 0, 0, 0]);
    expect(progress).toEqual(progress.toSorted((a, b) => a - b));
    expect(progress.at(-1)).toBe(1);
    expect(await bench.names()).toEqual(one.names.toSorted());
    expect(await pullAll(cache, store, one)).toMatchObject({ fetchedBytes: 0, fetchedSegments: 0 });
    expect(starts).toHaveLength(7);
    expect(await bench.names('partial')).toEqual([]);
  });

  it('keeps segments read-only, in a folder that only its owner can read', async () => {
    const one = await publish(memory, 'a', [1_000]);
    const { folder } = await pullAll(await bench.open(), memory, one);
    expect((await lstat(join(folder, one.names[0] ?? ''))).mode & 0o777).toBe(0o444);
    expect((await lstat(folder)).mode & 0o777).toBe(0o700);
  });

  it('goes on where an interrupted one stopped', async () => {
    const one = await publish(memory, 'a', [200_000], 200_000);
    const cut: VersionStore = new Proxy(memory, {
      get: (target, name) => {
        if (name !== 'readSegment') return Reflect.get(target, name) as unknown;
        return async function* part(...args: Parameters<VersionStore['readSegment']>) {
          for await (const chunk of memory.readSegment(...args)) {
            yield chunk.subarray(0, 70_000);
            throw new ModelkeepError('STORE_UNAVAILABLE', 'The line was cut');
          }
        };
      },
    });
    const cache = await bench.open();
    await expect(cache.pull(cut, one.record, one.manifest)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    expect(await bench.names()).toEqual([]);
    const { store, starts } = tellReads(memory);
    expect(await pullAll(cache, store, one)).toMatchObject({ fetchedBytes: 130_000, fetchedSegments: 1 });
    expect(starts).toEqual([70_000]);
  });

  it.each([
    ['all of it, verified without the store', (bytes: Buffer) => bytes, [], 0],
    ['damaged bytes', (bytes: Buffer) => Buffer.alloc(bytes.length / 2), [500, 0], 1_500],
    ['all of it, damaged', (bytes: Buffer) => Buffer.alloc(bytes.length), [0], 1_000],
    ['more than there is', (bytes: Buffer) => Buffer.concat([bytes, bytes]), [0], 1_000],
    ['nothing', () => Buffer.alloc(0), [0], 1_000],
  ])('mends what an earlier one left: %s', async (_, leave, reads, fetchedBytes) => {
    const one = await publish(memory, 'a', [1_000]);
    const cache = await bench.open();
    await writeFile(bench.partial(one.names[0] ?? ''), leave(await bytesOf(one)));
    const { store, starts } = tellReads(memory);
    expect(await pullAll(cache, store, one)).toMatchObject({ fetchedBytes });
    expect(starts).toEqual(reads);
    expect(await bench.names('partial')).toEqual([]);
  });

  it('has the store look at bytes that arrived damaged, and tells what it says', async () => {
    const one = await publish(memory, 'a', [1_000]);
    const damaged: VersionStore = new Proxy(memory, {
      get: (target, name) => {
        if (name !== 'readSegment') return Reflect.get(target, name) as unknown;
        return async function* read(...[, , options]: Parameters<VersionStore['readSegment']>) {
          yield* lie();
          if (options?.unchecked !== true) throw new ModelkeepError('DIGEST_MISMATCH', 'The store has altered bytes');
        };
      },
    });
    const pulling = (await bench.open()).pull(damaged, one.record, one.manifest);
    await expect(pulling).rejects.toThrow('The store has altered bytes');
  });

  it('rests after each part, and ends when it is given up meanwhile', async () => {
    const one = await publish(memory, 'a', [3_500, 10]);
    const caller = new AbortController();
    let rests = 0;
    const directory = join(bench.folder, 'resting');
    const cache = await SegmentCache.open({
      directory,
      maxBytes: 1e9,
      rest: async ({ signal } = {}) => {
        rests += 1;
        if (rests === 2) caller.abort();
        throwIfAborted(signal);
      },
    });
    const pulling = cache.pull(memory, one.record, one.manifest, { signal: caller.signal });
    await expect(pulling).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(await pullAll(cache, memory, one)).toMatchObject({ folder: join(directory, 'segments') });
    expect(rests).toBeGreaterThanOrEqual(5);
  });

  it('refuses bytes that are not those that were published, and keeps none of them', async () => {
    const one = await publish(memory, 'a', [1_000]);
    const lying: VersionStore = new Proxy(memory, {
      get: (target, name) => (name === 'readSegment' ? lie : (Reflect.get(target, name) as unknown)),
    });
    const cache = await bench.open();
    await expect(cache.pull(lying, one.record, one.manifest)).rejects.toMatchObject({
      code: 'DIGEST_MISMATCH',
      details: { path: 'file-0', segment: `sha256:${one.names[0]}` },
    });
    expect([...(await bench.names()), ...(await bench.names('partial'))]).toEqual([]);
    await pullAll(cache, memory, one);
  });
});

describe('a damaged segment', () => {
  const damages: readonly (readonly [string, (file: string) => Promise<void>])[] = [
    [
      'flipped in place',
      async (file) => {
        await chmod(file, 0o644);
        const handle = await open(file, 'r+');
        await handle.write(Buffer.from([255, 254]), 0, 2, 400);
        await handle.close();
      },
    ],
    [
      'truncated',
      async (file) => {
        await chmod(file, 0o644);
        await truncate(file, 999);
      },
    ],
    ['emptied', (file) => rm(file).then(() => writeFile(file, ''))],
    ['removed', (file) => rm(file)],
    ['replaced by a link', (file) => rm(file).then(() => symlink('/etc/hostname', file))],
  ];

  it.each(damages)('is noticed and fetched again: %s', async (_, damage) => {
    const one = await publish(memory, 'a', [1_000, 500]);
    const cache = await bench.open();
    const { folder } = await pullAll(cache, memory, one);
    await damage(join(folder, one.names[0] ?? ''));
    const { store, starts } = tellReads(memory);
    expect(await pullAll(cache, store, one)).toMatchObject({ fetchedBytes: 1_000, fetchedSegments: 1 });
    expect(starts).toEqual([0]);
  });

  it('is not fetched again where only its time was changed', async () => {
    const one = await publish(memory, 'a', [1_000]);
    const cache = await bench.open();
    const { folder } = await pullAll(cache, memory, one);
    await utimes(join(folder, one.names[0] ?? ''), new Date(), new Date());
    const { store, starts } = tellReads(memory);
    expect(await pullAll(cache, store, one)).toMatchObject({ fetchedBytes: 0 });
    expect(starts).toEqual([]);
  });
});

describe('concurrent pulls', () => {
  it('fetch each segment once', async () => {
    const { store, starts } = tellReads(memory);
    const one = await publish(store, 'a', [10_000]);
    const cache = await bench.open();
    const results = await Promise.all(Array.from({ length: 10 }, () => pullAll(cache, store, one)));
    expect(starts).toHaveLength(10);
    expect(results.reduce((sum, { fetchedBytes }) => sum + fetchedBytes, 0)).toBe(10_000);
  });

  it('go on when one of them is given up', async () => {
    const one = await publish(memory, 'a', [1_000]);
    const cache = await bench.open();
    const caller = new AbortController();
    let reads = 0;
    let stays: ReturnType<typeof pullAll> | undefined;
    const slow: VersionStore = new Proxy(memory, {
      get: (target, name) => {
        if (name !== 'readSegment') return Reflect.get(target, name) as unknown;
        return async function* read(...args: Parameters<VersionStore['readSegment']>) {
          reads += 1;
          if (reads === 1) {
            // It waits for what the other one reads when that is given up.
            stays = pullAll(cache, slow, one);
            caller.abort();
            throwIfAborted(args[2]?.signal);
          }
          yield* memory.readSegment(...args);
        };
      },
    });
    const given = cache.pull(slow, one.record, one.manifest, { signal: caller.signal });
    await expect(given).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(await stays).toMatchObject({ fetchedBytes: 1_000 });
    expect(reads).toBe(2);
  });
});

/** Sets when a version's only segment was used last; its modification time is the seal and stays. */
async function setLastUse(one: Published, seconds: number): Promise<void> {
  const file = join(bench.folder, 'cache', 'segments', one.names[0] ?? '');
  await utimes(file, seconds, (await lstat(file)).mtimeMs / 1_000);
}

describe('the bound of a cache', () => {
  it('lets go what was used longest ago', async () => {
    const cache = await bench.open(2_500);
    const [a, b, c] = await Promise.all(['a', 'b', 'c'].map((seed) => publish(memory, seed, [1_000])));
    if (a === undefined || b === undefined || c === undefined) throw new Error('There are three');
    await pullAll(cache, memory, a);
    await pullAll(cache, memory, b);
    await setLastUse(a, 2_000);
    await setLastUse(b, 1_000);
    await pullAll(cache, memory, c);
    expect(await bench.names()).toEqual([...a.names, ...c.names].toSorted());
    // Finding it there is a use.
    await setLastUse(a, 1_000);
    await setLastUse(c, 2_000);
    expect(await pullAll(cache, memory, a)).toMatchObject({ fetchedBytes: 0 });
    await pullAll(cache, memory, b);
    expect(await bench.names()).toEqual([...a.names, ...b.names].toSorted());
  });

  it('never lets go what is in use, even beyond the bound, until it is no more', async () => {
    const cache = await bench.open(0);
    const [a, b] = [await publish(memory, 'a', [1_000]), await publish(memory, 'b', [1_000])];
    const [release, again] = [cache.pin(a.manifest), cache.pin(a.manifest)];
    await pullAll(cache, memory, a);
    const releaseB = cache.pin(b.manifest);
    await pullAll(cache, memory, b);
    expect(await bench.names()).toEqual([...a.names, ...b.names].toSorted());
    release();
    release();
    releaseB();
    const c = await publish(memory, 'c', [1_000]);
    await cache.pull(memory, c.record, c.manifest);
    expect(await bench.names()).toEqual(a.names);
    again();
    await cache.pull(memory, c.record, c.manifest);
    expect(await bench.names()).toEqual([]);
  });
});

describe('the folder of a cache', () => {
  it('has one name, however it is written', async () => {
    const cache = await bench.open();
    await symlink(join(bench.folder, 'cache'), join(bench.folder, 'link'));
    const linked = await bench.open(1e9, 'link');
    const directory = relative(process.cwd(), join(bench.folder, 'cache'));
    const related = await SegmentCache.open({ directory, maxBytes: 0 });
    expect(linked.folder).toBe(cache.folder);
    expect(related.folder).toBe(cache.folder);
  });

  it('is refused where it cannot be made', async () => {
    await mkdir(join(bench.folder, 'a'));
    await writeFile(join(bench.folder, 'a', 'file'), '');
    await expect(bench.open(0, 'a/file')).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
  });
});
