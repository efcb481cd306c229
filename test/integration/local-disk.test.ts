import { randomBytes } from 'node:crypto';
import { chmod, mkdir, mkdtemp, open, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { openLocalStore } from '../../src/stores/index.js';
import { openLmdbLedger } from '../../src/stores/local/ledger.js';
import { KEYS } from '../../src/stores/ledger/table.js';
import { contentsOf, digestsOf, freshContents, readBack } from '../../src/testing/index.js';
import { smallDisk } from './small-disk.js';

const MIB = 1024 * 1024;
const NO_MOUNT = 'this process may not mount a file system';
const full = { code: 'STORE_UNAVAILABLE', cause: { code: 'ENOSPC' } };

/** Fills what is left of a disk. */
async function fill(file: string): Promise<void> {
  const handle = await open(file, 'w');
  try {
    for (let bytes = MIB; bytes >= 1;) {
      try {
        await handle.appendFile(Buffer.alloc(bytes));
      } catch {
        // It no longer fits: try less.
        bytes >>= 1;
      }
    }
  } finally {
    await handle.close();
  }
}

describe('a full disk', () => {
  it('refuses a version with STORE_UNAVAILABLE, leaves nothing half-done, and takes it when there is room', async (test) => {
    await using disk = await smallDisk(2 * MIB);
    if (disk === undefined) return test.skip(NO_MOUNT);
    const directory = join(disk.directory, 'store');
    await using store = await openLocalStore({ directory });
    const small = freshContents();
    await store.publish({ model: 'm', manifest: small.manifest }, small.source);
    const large = contentsOf({ 'a.bin': randomBytes(4 * MIB) }, { segmentBytes: 256 * 1024 });
    const draft = { model: 'm', manifest: large.manifest };
    await expect(store.publish(draft, large.source)).rejects.toMatchObject(full);
    expect(await readdir(join(directory, 'partial'))).toEqual([]);
    const records = await store.listVersions();
    expect(records).toHaveLength(1);
    for (const record of records) expect(await readBack(store, record)).toEqual(digestsOf(small.files));
    await disk.remount(`size=${8 * MIB}`);
    const result = await store.publish(draft, large.source);
    expect(result).toMatchObject({ created: true, record: { version: 2 } });
    expect(result.reusedBytes).toBeGreaterThanOrEqual(4 * 256 * 1024);
    expect(await readBack(store, result.record)).toEqual(digestsOf(large.files));
  });

  it('refuses an alias move with STORE_UNAVAILABLE and goes on when there is room', async (test) => {
    await using disk = await smallDisk(2 * MIB);
    if (disk === undefined) return test.skip(NO_MOUNT);
    await using store = await openLocalStore({ directory: join(disk.directory, 'store') });
    for (let count = 0; count < 2; count += 1) {
      const { manifest, source } = freshContents();
      await store.publish({ model: 'm', manifest }, source);
    }
    await store.moveAlias({ model: 'm', alias: 'p', to: 1 });
    await fill(join(disk.directory, 'ballast'));
    // Pages that are free inside the metadata, if any, are used up first.
    const moves = async (): Promise<void> => {
      for (let move = 0; move < 10_000; move += 1) {
        await store.moveAlias({ model: 'm', alias: 'p', to: 1 + (move % 2), message: 'x'.repeat(1_000) });
      }
    };
    await expect(moves()).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    const [before] = await store.listAliases();
    const history = await store.listEvents({ model: 'm' });
    expect(history[0]).toMatchObject({ kind: 'alias-moved', to: before?.version });
    await rm(join(disk.directory, 'ballast'));
    const to = before?.version === 1 ? 2 : 1;
    const moved = await store.moveAlias({ model: 'm', alias: 'p', to });
    expect(moved.revision).toBe((before?.revision ?? 0) + 1);
  });

  it('refuses to open a new store with STORE_UNAVAILABLE, and opens it when there is room', async (test) => {
    await using disk = await smallDisk(MIB);
    if (disk === undefined) return test.skip(NO_MOUNT);
    await fill(join(disk.directory, 'ballast'));
    const directory = join(disk.directory, 'store');
    await expect(openLocalStore({ directory })).rejects.toMatchObject(full);
    await rm(join(disk.directory, 'ballast'));
    await using store = await openLocalStore({ directory });
    expect(await store.listVersions()).toEqual([]);
  });
});

let directory = '';

async function oldStore(): Promise<void> {
  await using store = await openLocalStore({ directory });
  const { manifest, source } = freshContents();
  await store.publish({ model: 'm', manifest }, source);
}

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'modelkeep-disk-'));
  const own = directory;
  onTestFinished(() => rm(own, { recursive: true, force: true }));
});

describe('a directory that may not be written', () => {
  it('is refused with STORE_PERMISSION, old or new', async (test) => {
    await using disk = process.getuid?.() === 0 ? await smallDisk(2 * MIB) : undefined;
    if (process.getuid?.() === 0 && disk === undefined) return test.skip(`root may write anywhere, and ${NO_MOUNT}`);
    if (disk !== undefined) directory = join(disk.directory, 'store');
    await mkdir(directory, { recursive: true });
    await oldStore();
    const data = join(directory, 'metadata', 'data.mdb');
    if (disk === undefined) {
      for (const path of [data, join(directory, 'metadata'), directory]) await chmod(path, 0o500);
      onTestFinished(() => chmod(directory, 0o700));
    } else {
      await disk.remount('ro');
    }
    const refused = { code: 'STORE_PERMISSION' };
    await expect(openLocalStore({ directory })).rejects.toMatchObject(refused);
    await expect(openLocalStore({ directory: join(directory, 'new') })).rejects.toMatchObject(refused);
    if (disk === undefined) for (const path of [directory, join(directory, 'metadata'), data]) await chmod(path, 0o700);
    else await disk.remount('rw');
    await using store = await openLocalStore({ directory });
    expect(await store.listVersions()).toHaveLength(1);
  });
});

describe('a directory that is no store of this release', () => {
  it('is refused with STORE_UNAVAILABLE when its format is of the future, and left as it is', async () => {
    await oldStore();
    const change = async (format: string): Promise<void> => {
      const ledger = await openLmdbLedger(join(directory, 'metadata'), 'test');
      ledger.write((table) => table.put(KEYS.format, format));
      await ledger.close();
    };
    await change('2');
    await expect(openLocalStore({ directory })).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    const raw = openLmdbLedger(join(directory, 'metadata'), 'test');
    await expect(raw).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
  });

  it('is refused with STORE_UNAVAILABLE when its metadata is no LMDB file', async () => {
    await oldStore();
    await writeFile(join(directory, 'metadata', 'data.mdb'), randomBytes(100_000));
    await expect(openLocalStore({ directory })).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
  });

  it('is refused with STORE_UNAVAILABLE when it is a file', async () => {
    const file = join(directory, 'file');
    await writeFile(file, 'hello');
    await expect(openLocalStore({ directory: file })).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
  });
});
