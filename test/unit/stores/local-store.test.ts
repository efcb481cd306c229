import { randomBytes } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import { chmod, readdir, readFile, readlink, stat, truncate, unlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import {
  digestHex,
  distinctPlaces,
  type Manifest,
  type SegmentPlace,
  type VersionStore,
} from '../../../src/core/index.js';
import { openLocalStore } from '../../../src/stores/local/open.js';
import { contentsOf, digestsOf, readBack, type MadeContents } from '../../../src/testing/index.js';
import { temporaryFolder } from './temporary-folder.js';

function draft({ manifest }: MadeContents): { model: string; manifest: Manifest } {
  return { model: 'm', manifest };
}

/** What a failing disk does: the bytes are others, the file's times are not. */
async function decay(file: string): Promise<void> {
  const { atime, mtime } = await stat(file);
  await flipBit(file);
  await utimes(file, atime, mtime);
}

/** A store in a folder of its own, with one version of three segments. */
async function published(): Promise<{ directory: string; store: VersionStore; made: MadeContents }> {
  const directory = await temporaryFolder();
  const store = await openLocalStore({ directory });
  onTestFinished(() => store.close());
  const made = contentsOf({ 'a.bin': randomBytes(300_000) });
  await store.publish(draft(made), made.source);
  return { directory, store, made };
}

function secondPlace(made: MadeContents): SegmentPlace {
  const place = distinctPlaces(made.manifest)[1];
  if (place === undefined) throw new Error('The contents have one segment only');
  return place;
}

async function fileOf(store: VersionStore, place: SegmentPlace): Promise<string> {
  const file = await store.segmentFile?.(place);
  if (file === undefined) throw new Error(`Segment ${place.digest} has no file`);
  return file;
}

async function flipBit(file: string): Promise<void> {
  const bytes = await readFile(file);
  bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
  await chmod(file, 0o600);
  await writeFile(file, bytes);
}

async function cutShort(file: string): Promise<void> {
  await chmod(file, 0o600);
  await truncate(file, 50_000);
}

async function filesBelow(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map(({ name }) => name);
}

const latest = { model: 'm', selector: { kind: 'latest' } } as const;

describe('a damaged segment file', () => {
  it.each([
    ['with a flipped bit', flipBit],
    ['with a bit that flipped by itself', decay],
    ['cut short', cutShort],
    ['that is gone', unlink],
  ])('%s is noticed on reading, and mended by publishing the same version again', async (_, damage) => {
    const { store, made } = await published();
    const place = secondPlace(made);
    const file = await fileOf(store, place);
    await damage(file);
    const record = await store.resolve(latest);
    await expect(readBack(store, record)).rejects.toMatchObject({
      code: 'DIGEST_MISMATCH',
      details: { path: 'a.bin', segment: place.digest },
    });
    const again = await store.publish(draft(made), made.source);
    expect(again).toMatchObject({ created: false, sentBytes: place.size, reusedBytes: 300_000 - place.size });
    expect(await readBack(store, record)).toEqual(digestsOf(made.files));
    expect((await stat(file)).size).toBe(place.size);
  });

  it('is trusted by another publish for as long as nothing wrote to it, without reading it', async () => {
    const { store, made } = await published();
    const file = await fileOf(store, secondPlace(made));
    await decay(file);
    expect(await store.publish({ ...draft(made), force: true }, made.source)).toMatchObject({ sentBytes: 0 });
    // Without the mark, as in stores of older releases, its bytes decide.
    await utimes(file, new Date(), new Date());
    const { sentBytes } = await store.publish({ ...draft(made), force: true }, made.source);
    expect(sentBytes).toBe(secondPlace(made).size);
  });

  it('with a flipped bit is not reused by another version that shares it', async () => {
    const { store, made } = await published();
    const place = secondPlace(made);
    await flipBit(await fileOf(store, place));
    const bytes = made.files['a.bin'] ?? Buffer.alloc(0);
    const other = contentsOf({ 'b.bin': bytes.subarray(place.offset, place.offset + place.size) });
    const result = await store.publish({ model: 'other', manifest: other.manifest }, other.source);
    expect(result).toMatchObject({ sentBytes: place.size, reusedBytes: 0 });
    expect(await readBack(store, result.record)).toEqual(digestsOf(other.files));
    expect(await readBack(store, await store.resolve(latest))).toEqual(digestsOf(made.files));
  });
});

describe('the directory of a store', () => {
  it('holds each segment once, read-only, under its digest, and nothing half-done', async () => {
    const { directory, made } = await published();
    const names = distinctPlaces(made.manifest).map(({ digest }) => digestHex(digest));
    expect((await filesBelow(join(directory, 'segments'))).toSorted()).toEqual(names.toSorted());
    for (const name of names) {
      const { mode } = await stat(join(directory, 'segments', name.slice(0, 2), name));
      expect(mode & 0o777).toBe(0o444);
    }
    expect(await readdir(join(directory, 'partial'))).toEqual([]);
    expect((await stat(join(directory, 'segments'))).mode & 0o777).toBe(0o700);
  });

  it('is swept at opening of what dead processes of this machine left, and of nothing else', async () => {
    const { directory, store } = await published();
    const partial = join(directory, 'partial');
    const own = await ownPartialName(store, directory);
    const [digest = '', host = '', pid = '', start = ''] = own.split('.');
    // Numbers above the system's limit (2^22, proc(5)) belong to no process.
    const dead = [digest, host, '4194305', start, 'aa'].join('.');
    const recycled = [digest, host, pid, '1', 'bb'].join('.');
    const living = [digest, host, pid, start, 'cc'].join('.');
    const elsewhere = [digest, '00000000', '4194305', start, 'dd'].join('.');
    for (const left of [dead, recycled, living, elsewhere]) await writeFile(join(partial, left), 'x');
    const again = await openLocalStore({ directory });
    await again.close();
    expect((await readdir(partial)).toSorted()).toEqual([living, elsewhere].toSorted());
  });
});

/** The name that this process gives to a file in `partial/`, seen while a publish is held up. */
async function ownPartialName(store: VersionStore, directory: string): Promise<string> {
  const made = contentsOf({ 'c.bin': randomBytes(100_000) });
  let seen: readonly string[] = [];
  await store.publish(
    { model: 'c', manifest: made.manifest },
    {
      async *open(path, range) {
        yield* made.source.open(path, range);
        seen = await readdir(join(directory, 'partial'));
      },
    },
  );
  const [name] = seen;
  if (name === undefined || seen.length > 1) throw new Error(`partial/ held ${seen.length} files during a write`);
  return name;
}

/** How many files below a folder this process holds open; 0 where the system does not tell. */
async function openBelow(folder: string): Promise<number> {
  if (process.platform !== 'linux') return 0;
  const numbers = await readdir('/proc/self/fd');
  // One of them is that of the listing itself, which is closed by now.
  const links = await Promise.allSettled(numbers.map((number) => readlink(`/proc/self/fd/${number}`)));
  return links.filter((link) => link.status === 'fulfilled' && link.value.startsWith(folder)).length;
}

describe('closing a store', () => {
  it('ends a publish whose source never answers with CLOSED, waits for it, and leaves nothing half-done', async () => {
    const { directory, store } = await published();
    const made = contentsOf({ 'd.bin': randomBytes(200_000) });
    const hung = new EventEmitter();
    const asked = once(hung, 'asked');
    const publishing = store.publish(
      { model: 'd', manifest: made.manifest },
      {
        async *open(path, range) {
          yield* made.source.open(path, { start: range.start, end: range.start + 10 });
          hung.emit('asked');
          await new Promise(() => undefined);
        },
      },
    );
    const outcome = publishing.then(
      () => 'published',
      (error: unknown) => error,
    );
    await asked;
    await store.close();
    expect(await readdir(join(directory, 'partial'))).toEqual([]);
    expect(await outcome).toMatchObject({ code: 'CLOSED' });
  });

  it('ends a read with CLOSED and closes its file, though nobody reads on', async () => {
    const { directory, store } = await published();
    const big = contentsOf({ 'e.bin': randomBytes(3_000_000) }, { segmentBytes: 3_000_000 });
    const { record } = await store.publish({ model: 'e', manifest: big.manifest }, big.source);
    const [place] = distinctPlaces(big.manifest);
    if (place === undefined) throw new Error('There is no segment');
    const stream = store.readSegment(record, place)[Symbol.asyncIterator]();
    expect((await stream.next()).done).toBe(false);
    const whileOpen = await openBelow(join(directory, 'segments'));
    await store.close();
    expect(await openBelow(join(directory, 'segments'))).toBe(0);
    expect(whileOpen).toBe(process.platform === 'linux' ? 1 : 0);
    await expect(stream.next()).rejects.toMatchObject({ code: 'CLOSED' });
  });
});
