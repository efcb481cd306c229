import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { fileError, ModelkeepError, type VersionStore } from '../../core/index.js';
import { createLedgerStore } from '../ledger/store.js';
import { openLmdbLedger } from './ledger.js';
import { directorySegments, sweepPartial } from './segments.js';

/** Options of {@link openLocalStore}. */
export interface LocalStoreOptions {
  /** The directory; made with mode 0700 if it is missing. */
  readonly directory: string;
}

/** LMDB's own errors carry numbers, or the system's text. */
function translator(directory: string): (error: unknown) => unknown {
  const nextStep = 'check its free space, its owner and its permissions';
  return (error) => {
    if (!(error instanceof Error) || error instanceof ModelkeepError || error.name === 'AbortError') return error;
    const known = /No space left|MDB_MAP_FULL/.test(error.message)
      ? 'ENOSPC'
      : /Permission denied|Read-only file system/.test(error.message)
        ? 'EACCES'
        : (error as NodeJS.ErrnoException).code;
    if (typeof known !== 'string') return error;
    const named = Object.assign(new Error(error.message, { cause: error }), { code: known });
    return fileError(named, `Cannot use the store directory ${directory}`, nextStep);
  };
}

/**
 * Opens a store in a directory: segments as files named by digest, metadata in LMDB. Several processes may use it at
 * once.
 *
 * @throws ModelkeepError `STORE_PERMISSION` or `STORE_UNAVAILABLE` if the directory cannot be used
 */
export async function openLocalStore(options: LocalStoreOptions): Promise<VersionStore> {
  const directory = resolve(options.directory);
  const location = pathToFileURL(directory).href;
  const translate = translator(directory);
  try {
    for (const folder of ['segments', 'partial', 'metadata']) {
      await mkdir(join(directory, folder), { recursive: true, mode: 0o700 });
    }
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
