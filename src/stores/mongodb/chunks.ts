import { Binary, MongoBulkWriteError } from 'mongodb';
import { createDigester, ModelkeepError, throwIfAborted, type Abortable, type Segment } from '../../core/index.js';
import type { Database } from './database.js';
import { CHUNK_BYTES, type ChunkDocument, type FileDocument } from './documents.js';
import { mongoError } from './errors.js';
import { readRange } from './stored-bytes.js';
import { announce, completeUpload } from './touches.js';

/** Chunks of one insert: about 4 MiB. */
const BATCH_CHUNKS = 16;
/** Inserts under way at once: with {@link BATCH_CHUNKS} about 16 MiB in memory. */
const MAX_INSERTS = 4;
const DUPLICATE_KEY = 11_000;

/** A GridFS file to store: its bytes are those of the segments, one after the other. */
export interface FileDraft {
  readonly document: Omit<FileDocument, 'chunkSize' | 'uploadDate'>;
  readonly segments: readonly Segment[];
  /** What the bytes are, for messages: `segment sha256:… of file "model.safetensors"`. */
  readonly name: string;
}

/** Options of {@link putFile}. */
export interface PutOptions extends Abortable {
  /** Read back a file that is there, instead of trusting the number of its chunks. @defaultValue false */
  readonly verify?: boolean;
  /** What {@link announceAll} has found out just now. @defaultValue it is asked */
  readonly complete?: boolean;
}

/** Checks bytes that stream by against the digests of consecutive segments. */
class SegmentCheck {
  readonly #segments: readonly Segment[];
  #index = 0;
  #digester = createDigester();

  constructor(segments: readonly Segment[]) {
    this.#segments = segments;
  }

  /** False once the bytes are not those of the segments. */
  take(bytes: Uint8Array): boolean {
    for (let at = 0; at < bytes.byteLength;) {
      const segment = this.#segments[this.#index];
      if (segment === undefined) return false;
      const part = bytes.subarray(at, at + segment.size - this.#digester.size);
      this.#digester.update(part);
      at += part.byteLength;
      if (this.#digester.size < segment.size) continue;
      if (this.#digester.finish() !== segment.digest) return false;
      this.#digester = createDigester();
      this.#index += 1;
    }
    return true;
  }

  get whole(): boolean {
    return this.#index === this.#segments.length && this.#digester.size === 0;
  }
}

/**
 * Stores a GridFS file: the chunks that are missing, in a bounded window of parallel inserts, then the file's document,
 * which makes it whole. Chunks that somebody else stored are trusted only after they were read back and checked; a
 * whole file that lost chunks gets them again.
 *
 * @param open the bytes, from the beginning; called again if what was there before turns out to be wrong
 * @returns the bytes that had to be sent; 0 if the file was there
 * @throws ModelkeepError `DIGEST_MISMATCH` if the source's bytes are not those of the segments; the source's own error
 */
export async function putFile(
  database: Database,
  draft: FileDraft,
  open: () => AsyncIterable<Uint8Array>,
  { signal, verify = false, complete: given }: PutOptions = {},
): Promise<number> {
  const { chunks } = database;
  const { _id: id, length } = draft.document;
  const count = Math.ceil(length / CHUNK_BYTES);
  // In this order: once the document is there and complete, so are all chunks.
  const complete = given ?? (await announce(database, draft.document)) === 'complete';
  const stored = await chunks.find({ files_id: id }, { projection: { _id: 0, n: 1 } }).toArray();
  if (complete) {
    const whole = stored.length === count && (!verify || (await isWhole(database, draft, signal)));
    return whole ? 0 : replaceChunks(database, draft, open(), signal);
  }
  let { sentBytes, foreign } = await sendChunks(database, draft, open(), new Set(stored.map(({ n }) => n)), signal);
  const beyond = stored.some(({ n }) => n >= count);
  if (foreign && (beyond || !(await isWhole(database, draft, signal)))) {
    sentBytes = await replaceChunks(database, draft, open(), signal);
  }
  if (await completeUpload(database, { ...draft.document, chunkSize: CHUNK_BYTES, uploadDate: new Date() }))
    return sentBytes;
  // It was removed while it was being stored, as nobody had touched it for a grace time: once more.
  return sentBytes + (await putFile(database, draft, open, { ...(signal === undefined ? {} : { signal }), verify }));
}

/**
 * Writes every chunk over what is there, and removes those beyond the end. Chunks that were good stay readable all the
 * time, and two that repair the same file write the same bytes.
 */
async function replaceChunks(
  database: Database,
  draft: FileDraft,
  source: AsyncIterable<Uint8Array>,
  signal: AbortSignal | undefined,
): Promise<number> {
  const { chunks } = database;
  const { _id: id } = draft.document;
  const check = new SegmentCheck(draft.segments);
  let n = 0;
  let sentBytes = 0;
  for await (const data of cut(source)) {
    throwIfAborted(signal);
    if (!check.take(data)) throw sourceChanged(draft);
    await chunks.updateOne({ files_id: id, n }, { $set: { data: new Binary(data) } }, { upsert: true });
    sentBytes += data.byteLength;
    n += 1;
  }
  if (!check.whole) throw sourceChanged(draft);
  await chunks.deleteMany({ files_id: id, n: { $gte: n } });
  return sentBytes;
}

/** Sends the chunks that are not there; `foreign` if any chunk of the file is not this call's own. */
async function sendChunks(
  database: Database,
  draft: FileDraft,
  source: AsyncIterable<Uint8Array>,
  there: ReadonlySet<number>,
  signal: AbortSignal | undefined,
): Promise<{ sentBytes: number; foreign: boolean }> {
  const { _id: id } = draft.document;
  const check = new SegmentCheck(draft.segments);
  const inserts = new InsertWindow(database);
  let n = 0;
  let sentBytes = 0;
  try {
    for await (const data of cut(source)) {
      throwIfAborted(signal);
      if (!check.take(data)) throw sourceChanged(draft);
      if (!there.has(n)) {
        await inserts.add({ files_id: id, n, data: new Binary(data) });
        sentBytes += data.byteLength;
      }
      n += 1;
    }
    if (!check.whole) throw sourceChanged(draft);
  } finally {
    await inserts.finish();
  }
  inserts.check();
  return { sentBytes, foreign: there.size > 0 || inserts.duplicates > 0 };
}

/** Parallel inserts, so many and no more. */
class InsertWindow {
  readonly #database: Database;
  readonly #running = new Set<Promise<void>>();
  #batch: ChunkDocument[] = [];
  #failure: { readonly error: unknown } | undefined;
  /** Chunks that somebody else had stored first. */
  duplicates = 0;

  constructor(database: Database) {
    this.#database = database;
  }

  async add(chunk: ChunkDocument): Promise<void> {
    this.#batch.push(chunk);
    if (this.#batch.length >= BATCH_CHUNKS) this.#flush();
    if (this.#running.size >= MAX_INSERTS) await Promise.race(this.#running);
    this.check();
  }

  /** Waits for all inserts; a failure is kept for {@link check}. */
  async finish(): Promise<void> {
    if (this.#batch.length > 0) this.#flush();
    await Promise.all(this.#running);
  }

  /** Throws the first failure. */
  check(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  #flush(): void {
    const batch = this.#batch;
    this.#batch = [];
    const insert = this.#insert(batch)
      .catch((error: unknown) => void (this.#failure ??= { error }))
      .finally(() => this.#running.delete(insert));
    this.#running.add(insert);
  }

  async #insert(batch: readonly ChunkDocument[]): Promise<void> {
    try {
      await this.#database.chunks.insertMany(batch, { ordered: false });
    } catch (error) {
      const failed = error instanceof MongoBulkWriteError ? [error.writeErrors].flat() : [];
      if (failed.length === 0 || failed.some(({ code }) => code !== DUPLICATE_KEY)) {
        throw mongoError(error, this.#database.location, 'store the contents');
      }
      this.duplicates += failed.length;
    }
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

async function isWhole(database: Database, draft: FileDraft, signal: AbortSignal | undefined): Promise<boolean> {
  const check = new SegmentCheck(draft.segments);
  const file = { ...draft.document, chunkSize: CHUNK_BYTES };
  try {
    for await (const bytes of readRange(database, file, draft, { start: 0, end: file.length }, signal)) {
      if (!check.take(bytes)) return false;
    }
  } catch (error) {
    if (error instanceof ModelkeepError && error.code === 'DIGEST_MISMATCH') return false;
    throw error;
  }
  return check.whole;
}

function sourceChanged({ name }: FileDraft): ModelkeepError {
  return new ModelkeepError(
    'DIGEST_MISMATCH',
    `The source gave other bytes for ${name} than were hashed: publish again when nothing writes to the file`,
  );
}
