import { getSystemErrorName } from 'node:util';
import { asModelkeepError, fileError, ModelkeepError } from '../../core/index.js';

/** LMDB's own numbers, from lmdb.h: only those for which there is something to do. */
const MDB = Object.freeze({
  [-30_796]: 'its metadata is damaged (MDB_CORRUPTED)',
  [-30_794]: 'its metadata was written by another LMDB (MDB_VERSION_MISMATCH)',
  [-30_793]: 'its metadata is no LMDB file (MDB_INVALID)',
  [-30_792]: 'its metadata is full (MDB_MAP_FULL)',
  [-30_790]: 'too many processes read it (MDB_READERS_FULL)',
}) as Readonly<Record<number, string>>;

const NEXT_STEP = 'check its free space, its owner and its permissions, then repeat';

/**
 * Makes what turns errors of files and of LMDB into ours: `STORE_UNAVAILABLE` for a full disk and whatever else fails,
 * `STORE_PERMISSION` where the system refuses, with the directory in the message. LMDB's errors carry their number as
 * `code`. What is no error of either is a defect, `INTERNAL`.
 */
export function diskErrors(directory: string): (error: unknown) => ModelkeepError {
  const what = `Cannot use the store directory ${directory}`;
  return (error) => {
    // A DOMException (an abort, a timeout) has numbers of its own as `code`.
    if (!(error instanceof Error) || error instanceof DOMException) return asModelkeepError(error);
    if (error instanceof ModelkeepError) return error;
    const { code } = error as { code?: unknown };
    if (typeof code !== 'number') return asModelkeepError(fileError(error, what, NEXT_STEP));
    const own = MDB[code];
    if (own !== undefined) {
      return new ModelkeepError('STORE_UNAVAILABLE', `${what}: ${own}; ${NEXT_STEP}`, { cause: error });
    }
    // The system's numbers are positive in LMDB and negative in Node.
    const named = Object.assign(new Error(error.message, { cause: error }), { code: getSystemErrorName(-code) });
    return asModelkeepError(fileError(named, what, NEXT_STEP));
  };
}
