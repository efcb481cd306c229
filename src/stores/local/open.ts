import { mkdir } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { VersionStore } from '../../core/index.js';
import { createLedgerStore } from '../ledger/store.js';
import { diskErrors } from './disk-error.js';
import { isMissing, syncDirectory } from './durable.js';
import { openLmdbLedger } from './ledger.js';
import { sweepPartial } from './partial.js';
import { directorySegments } from './segments.js';

/** Options of {@link openLocalStore}. */
export interface LocalStoreOptions {
  /** The directory; made with mode 0700 if it is missing. */
  readonly directory: string;
}

async function makeIfMissing(path: string): Promise<boolean> {
  try {
    await mkdir(path, { mode: 0o700 });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/**
 * Makes a directory and those above it, durably. Not by mkdir's `recursive`, which says ENOENT instead of EROFS on a
 * read-only file system.
 */
async function makeDurably(path: string): Promise<void> {
  let made: boolean;
  try {
    made = await makeIfMissing(path);
  } catch (error) {
    if (!isMissing(error) || dirname(path) === path) throw error;
    await makeDurably(dirname(path));
    made = await makeIfMissing(path);
  }
  if (made) await syncDirectory(dirname(path));
}

/**
 * Opens a store in a directory: segments as files named by digest, metadata in LMDB. Several processes may use it at
 * once, on one machine.
 *
 * @throws ModelkeepError `STORE_PERMISSION` if the directory may not be read and written; `STORE_UNAVAILABLE` if it is
 * on a full disk, is no directory, or was written by another release
 */
export async function openLocalStore(options: LocalStoreOptions): Promise<VersionStore> {
  const directory = resolve(options.directory);
  const location = pathToFileURL(directory).href;
  const translate = diskErrors(directory);
  try {
    for (const folder of ['segments', 'partial', 'metadata']) await makeDurably(join(directory, folder));
    await sweepPartial(directory);
    const ledger = await openLmdbLedger(join(directory, 'metadata'), location);
    return createLedgerStore({
      location,
      capabilities: { changes: 'poll', localFiles: true },
      ledger,
      segments: directorySegments(directory),
      translate,
      close: async () => ledger.close(),
    });
  } catch (error) {
    throw translate(error);
  }
}
