import type { ObjectId } from 'mongodb';
import { ModelkeepError, throwIfAborted, type Digest } from '../../core/index.js';
import type { Database } from './database.js';

/** Chunks of one batch of a cursor: about 4 MiB. */
const BATCH_CHUNKS = 16;

/** What stored bytes are, for whoever must find them when they are damaged. */
export interface StoredBytes {
  /** In words, such as `segment sha256:… of file "model.safetensors" of sentiment:3`. */
  readonly name: string;
  /** The file of the version. */
  readonly path?: string;
  readonly segment?: Digest;
}

/**
 * The bytes `start` to `end` of a stored file. Every chunk is checked for its place and length, because the driver's own
 * download ends silently when chunks are missing.
 *
 * @throws ModelkeepError `DIGEST_MISMATCH` naming what is missing or truncated
 */
export async function* readRange(
  database: Database,
  file: { readonly _id: string | ObjectId; readonly length: number; readonly chunkSize: number },
  what: StoredBytes,
  { start, end }: { readonly start: number; readonly end: number },
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const { _id: id, length, chunkSize } = file;
  if (end > length) throw damaged(what, `the stored file has ${length} bytes, ${end} are needed`);
  if (start >= end) return;
  const first = Math.floor(start / chunkSize);
  const last = Math.floor((end - 1) / chunkSize);
  const cursor = database.chunks
    .find(
      { files_id: id, n: { $gte: first, $lte: last } },
      { batchSize: BATCH_CHUNKS, projection: { _id: 0, n: 1, data: 1 } },
    )
    .sort({ n: 1 });
  let expected = first;
  try {
    for await (const { n, data } of cursor) {
      throwIfAborted(signal);
      const wanted = Math.min(chunkSize, length - n * chunkSize);
      if (n !== expected) throw damaged(what, `chunk ${expected} is missing`);
      if (data.length() !== wanted) throw damaged(what, `chunk ${n} has ${data.length()} of ${wanted} bytes`);
      expected += 1;
      const at = n * chunkSize;
      yield data.value().subarray(Math.max(0, start - at), Math.min(wanted, end - at));
    }
  } finally {
    await cursor.close();
  }
  if (expected !== last + 1) throw damaged(what, `chunk ${expected} is missing`);
}

/** What is stored is not what was published. */
export function damaged(what: StoredBytes, how: string): ModelkeepError {
  return new ModelkeepError(
    'DIGEST_MISMATCH',
    `The stored ${what.name} is damaged: ${how}. Publish the same files again with --force, which replaces damaged ` +
      'segments, or restore the database',
    { details: { ...what } },
  );
}
