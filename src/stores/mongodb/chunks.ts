import { Binary, MongoBulkWriteError, type Collection, type Db, type ObjectId } from 'mongodb';
import {
  createDigester,
  ModelkeepError,
  throwIfAborted,
  type Abortable,
  type Digest,
  type SegmentPlace,
} from '../../core/index.js';
import { mongoError } from './errors.js';

/**
 * Bytes of a chunk: 255 KiB, GridFS's own default, so that an allocation of a power of two holds a chunk with its
 * fields. Part of the stored layout: an interrupted upload is resumed by chunk number.
 */
export const CHUNK_BYTES = 255 * 1024;
/** Chunks of one insert: about 4 MiB. */
const BATCH_CHUNKS = 16;
/** Inserts under way at once: with {@link BATCH_CHUNKS} about 16 MiB in memory. */
const MAX_INSERTS = 4;
const DUPLICATE_KEY = 11_000;

interface ChunkDocument {
  readonly files_id: string | ObjectId;
  readonly n: number;
  readonly data: Binary;
}

interface FileDocument {
  readonly _id: string | ObjectId;
  readonly length: number;
  readonly chunkSize: number;
  readonly uploadDate: Date;
  readonly filename: string;
}

/** The two collections of a GridFS bucket. */
export interface Bucket {
  readonly files: Collection<FileDocument>;
  readonly chunks: Collection<ChunkDocument>;
  /** The store's URL without secrets, for messages. */
  readonly location: string;
}

/** The bucket `name` of a database; writes are acknowledged by the majority. */
export function bucketOf(db: Db, name: string, location: string): Bucket {
  const writeConcern = { w: 'majority' } as const;
  return {
    files: db.collection<FileDocument>(`${name}.files`, { writeConcern }),
    chunks: db.collection<ChunkDocument>(`${name}.chunks`, { writeConcern }),
    location,
  };
}

/** Makes the indexes of GridFS. @throws ModelkeepError `STORE_PERMISSION` or `STORE_UNAVAILABLE` */
export async function indexBucket(bucket: Bucket): Promise<void> {
  try {
    await bucket.chunks.createIndex({ files_id: 1, n: 1 }, { unique: true });
    await bucket.files.createIndex({ filename: 1, uploadDate: 1 });
  } catch (error) {
    throw mongoError(error, bucket.location, 'make the indexes');
  }
}

async function insertChunks(bucket: Bucket, batch: readonly ChunkDocument[]): Promise<void> {
  try {
    await bucket.chunks.insertMany(batch, { ordered: false });
  } catch (error) {
    // Another publisher of the same content was faster: a digest as key makes that the same bytes.
    if (error instanceof MongoBulkWriteError) {
      const failed = Array.isArray(error.writeErrors) ? error.writeErrors : [error.writeErrors];
      if (failed.length > 0 && failed.every(({ code }) => code === DUPLICATE_KEY)) return;
    }
    throw mongoError(error, bucket.location, 'write a segment');
  }
}

async function* cut(source: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  let chunk = Buffer.allocUnsafe(CHUNK_BYTES);
  let filled = 0;
  for await (const bytes of source) {
    for (let at = 0; at < bytes.byteLength;) {
      const taken = Math.min(bytes.byteLength - at, CHUNK_BYTES - filled);
      chunk.set(bytes.subarray(at, at + taken), filled);
      at += taken;
      filled += taken;
      if (filled < CHUNK_BYTES) continue;
      yield chunk;
      chunk = Buffer.allocUnsafe(CHUNK_BYTES);
      filled = 0;
    }
  }
  if (filled > 0) yield chunk.subarray(0, filled);
}

/**
 * Stores a segment: its chunks first, those that are missing only, then the file's document, which makes it whole.
 *
 * @returns the bytes that had to be sent; 0 if the segment was there
 * @throws ModelkeepError `DIGEST_MISMATCH` if the source's bytes are not the segment's, and then the file's document is
 * not written and the chunks that this call sent are removed
 */
export async function putSegment(
  bucket: Bucket,
  place: SegmentPlace,
  source: AsyncIterable<Uint8Array>,
  { signal }: Abortable = {},
): Promise<number> {
  const id: Digest = place.digest;
  if ((await ask(bucket, () => bucket.files.countDocuments({ _id: id }, { limit: 1 }))) > 0) return 0;
  const stored = await ask(bucket, () => bucket.chunks.find({ files_id: id }).project({ _id: 0, n: 1 }).toArray());
  const there = new Set(stored.map((chunk) => chunk['n'] as number));
  const sent = await sendMissing(bucket, place, source, there, signal);
  await ask(bucket, () =>
    bucket.files.updateOne(
      { _id: id },
      { $setOnInsert: { length: place.size, chunkSize: CHUNK_BYTES, uploadDate: new Date(), filename: id } },
      { upsert: true },
    ),
  );
  return sent;
}

async function ask<T>(bucket: Bucket, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw mongoError(error, bucket.location, 'store a segment');
  }
}

async function sendMissing(
  bucket: Bucket,
  place: SegmentPlace,
  source: AsyncIterable<Uint8Array>,
  there: ReadonlySet<number>,
  signal: AbortSignal | undefined,
): Promise<number> {
  const digester = createDigester();
  const mine: number[] = [];
  const running = new Set<Promise<void>>();
  let failure: { readonly error: unknown } | undefined;
  let batch: ChunkDocument[] = [];
  let sent = 0;
  const flush = (): void => {
    const insert = insertChunks(bucket, batch)
      .catch((error: unknown) => void (failure ??= { error }))
      .finally(() => running.delete(insert));
    running.add(insert);
    batch = [];
  };
  try {
    let n = 0;
    for await (const data of cut(source)) {
      throwIfAborted(signal);
      if (failure !== undefined) throw failure.error;
      digester.update(data);
      if (!there.has(n)) {
        batch.push({ files_id: place.digest, n, data: new Binary(data) });
        mine.push(n);
        sent += data.byteLength;
      }
      n += 1;
      if (batch.length >= BATCH_CHUNKS) flush();
      if (running.size >= MAX_INSERTS) await Promise.race(running);
    }
    if (batch.length > 0) flush();
  } finally {
    await Promise.all(running);
  }
  if (failure !== undefined) throw failure.error;
  const size = digester.size;
  if (digester.finish() === place.digest && size === place.size) return sent;
  await ask(bucket, () => bucket.chunks.deleteMany({ files_id: place.digest, n: { $in: mine } }));
  throw mismatch(place, 'the source gave other bytes; publish again once the file no longer changes');
}

function mismatch(place: SegmentPlace, why: string): ModelkeepError {
  return new ModelkeepError('DIGEST_MISMATCH', `Segment ${place.digest} of ${place.path} at ${place.offset}: ${why}`, {
    details: { path: place.path, digest: place.digest },
  });
}

/**
 * The bytes of a stored segment from `start`. Length is always checked, and the digest when reading from 0: the
 * driver's own download ends silently when trailing chunks are missing.
 *
 * @throws ModelkeepError `DIGEST_MISMATCH` for missing, truncated or altered bytes
 */
export async function* readSegment(
  bucket: Bucket,
  place: SegmentPlace,
  { start = 0, signal }: Abortable & { readonly start?: number } = {},
): AsyncGenerator<Uint8Array> {
  const first = Math.floor(start / CHUNK_BYTES);
  const digester = createDigester();
  const cursor = bucket.chunks
    .find({ files_id: place.digest, n: { $gte: first } }, { batchSize: BATCH_CHUNKS })
    .sort({ n: 1 });
  let expected = first;
  try {
    for await (const { n, data } of cursor) {
      throwIfAborted(signal);
      const length = Math.min(CHUNK_BYTES, place.size - n * CHUNK_BYTES);
      if (n !== expected || data.length() !== length) throw mismatch(place, `chunk ${expected} is missing or damaged`);
      const bytes = data.value().subarray(n === first ? start - first * CHUNK_BYTES : 0);
      digester.update(bytes);
      expected += 1;
      yield bytes;
    }
  } catch (error) {
    throw mongoError(error, bucket.location, 'read a segment');
  } finally {
    await cursor.close();
  }
  if (start + digester.size !== place.size) throw mismatch(place, `it ends after ${start + digester.size} bytes`);
  if (start === 0 && digester.finish() !== place.digest) throw mismatch(place, 'its bytes were altered');
}
