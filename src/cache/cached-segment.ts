import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { digestHex, fileError, type Segment } from '../core/index.js';

/**
 * The bytes of a segment as they lie in a node's cache, unchecked; undefined if it is not there.
 *
 * @param directory the cache's folder
 * @throws ModelkeepError `STORE_UNAVAILABLE` or `STORE_PERMISSION` if the cache cannot be read
 */
export async function cachedSegment(
  directory: string,
  { digest, size }: Segment,
): Promise<AsyncIterable<Uint8Array> | undefined> {
  const file = join(directory, 'segments', digestHex(digest));
  try {
    const found = await stat(file);
    if (!found.isFile() || found.size !== size) return undefined;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw fileError(error, `Cannot read the cache ${directory}`, 'check its owner and permissions');
  }
  return createReadStream(file, { highWaterMark: 1024 * 1024 });
}
