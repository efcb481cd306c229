import { chmod, lstat, open, utimes } from 'node:fs/promises';
import {
  asModelkeepError,
  hashRange,
  SEAL_MS,
  type Digest,
  type HashRangeOptions,
  type Segment,
} from '../core/index.js';

/** Marks a verified segment. */
const SEAL = new Date(SEAL_MS.cached);

/** Marks a file whose bytes were verified, makes it read-only, and takes down that it was used now. */
export async function seal(file: string): Promise<void> {
  await chmod(file, 0o444);
  await utimes(file, new Date(), SEAL);
}

/** True if the file is there, of the segment's size, and untouched since it was sealed. Counts as a use. */
export async function isSealed(file: string, { size }: Segment): Promise<boolean> {
  const found = await lstat(file).catch(() => undefined);
  if (found === undefined || !found.isFile() || found.size !== size || found.mtimeMs !== SEAL.getTime()) return false;
  // The time of last use, by which the least recently used go first; where it cannot be set, the order is coarser.
  await utimes(file, new Date(), SEAL).catch(() => undefined);
  return true;
}

/**
 * The digest of a file's bytes; undefined if it became shorter meanwhile.
 *
 * @throws ModelkeepError `STORE_UNAVAILABLE` if it cannot be read; `CANCELLED` when the signal fires
 */
export async function hashFile(file: string, options: HashRangeOptions = {}): Promise<Digest | undefined> {
  const handle = await open(file, 'r');
  try {
    return await hashRange(handle, 0, (await handle.stat()).size, options);
  } catch (error) {
    throw asModelkeepError(error, 'STORE_UNAVAILABLE');
  } finally {
    await handle.close();
  }
}
