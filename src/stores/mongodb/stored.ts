import { ObjectId, type Filter } from 'mongodb';
import { isDigest, throwIfAborted, type StoredData } from '../../core/index.js';
import type { Database } from './database.js';
import { CHUNK_BYTES, MANIFEST_CONTENT_TYPE, type FileDocument } from './documents.js';
import { announce, chunkIds } from './touches.js';

/** Ids that are looked up at once. */
const BATCH = 1_000;

/** The server's clock. */
export async function serverTime({ db }: Database): Promise<Date> {
  const { localTime } = await db.command({ hello: 1 });
  return localTime instanceof Date ? localTime : new Date();
}

/** Files that are ours: segments, files of versions, and files of scripts whose version was collected. */
const OURS: Filter<FileDocument> = {
  $or: [
    { _id: { $type: 'string' } },
    { contentType: MANIFEST_CONTENT_TYPE },
    { 'metadata.manifest': { $exists: true } },
    { touched_at: { $exists: true } },
  ],
};

/** What is stored. See `StoreCare.listStored`. */
export async function* listStored(database: Database, signal: AbortSignal): AsyncGenerator<StoredData> {
  const counts = await countChunks(database, signal);
  const projection = { length: 1, chunkSize: 1, uploadDate: 1, touched_at: 1, incomplete: 1, sweeping: 1 } as const;
  for await (const file of database.files.find<FileDocument>(OURS, { projection })) {
    throwIfAborted(signal);
    const { _id: id, length, uploadDate, touched_at: touchedAt = uploadDate } = file;
    const counted = counts.get(String(id))?.count ?? 0;
    counts.delete(String(id));
    if (typeof id === 'string' && !isDigest(id)) continue;
    const isWhole = await hasAllChunks(database, file, counted);
    yield { id: String(id), kind: kindOf(id), bytes: length, touchedAt, isWhole };
  }
  let batch: (string | ObjectId)[] = [];
  for (const { id } of counts.values()) {
    if (batch.push(id) < BATCH) continue;
    yield* aloneAmong(database, batch);
    batch = [];
  }
  yield* aloneAmong(database, batch);
}

function kindOf(id: string | ObjectId): StoredData['kind'] {
  return typeof id === 'string' ? 'segment' : 'version';
}

type Counts = Map<string, { readonly id: string | ObjectId; readonly count: number }>;

/** The number of chunks of each file: read from the index alone, not from the chunks. */
async function countChunks({ chunks }: Database, signal: AbortSignal): Promise<Counts> {
  const groups = chunks.aggregate<{ _id: string | ObjectId; count: number }>([
    { $sort: { files_id: 1, n: 1 } },
    { $group: { _id: '$files_id', count: { $sum: 1 } } },
  ]);
  const counts: Counts = new Map();
  for await (const { _id: id, count } of groups) {
    throwIfAborted(signal);
    counts.set(String(id), { id, count });
  }
  return counts;
}

async function hasAllChunks({ chunks }: Database, file: FileDocument, counted: number): Promise<boolean> {
  if (file.incomplete === true || file.sweeping !== undefined) return false;
  const wanted = Math.ceil(file.length / file.chunkSize);
  // They may have come since they were counted.
  return counted === wanted || (await chunks.countDocuments({ files_id: file._id })) === wanted;
}

async function* aloneAmong(database: Database, ids: readonly (string | ObjectId)[]): AsyncGenerator<StoredData> {
  const { files, chunks, leases } = database;
  const there = await files.find({ _id: { $in: [...ids] } }, { projection: { _id: 1 } }).toArray();
  const known = new Set(there.map(({ _id }) => String(_id)));
  for (const id of ids.filter((one) => !known.has(String(one)))) {
    const [newest] = await chunks
      .find({ files_id: id }, { projection: { _id: 1 } })
      .sort({ _id: -1 })
      .limit(1)
      .toArray();
    if (newest === undefined) continue;
    const bytes = CHUNK_BYTES * (await chunks.countDocuments({ files_id: id }));
    if (id instanceof ObjectId) {
      const lease = await leases.findOne({ file_id: id });
      const touchedAt = lease?.touched_at ?? newest._id?.getTimestamp() ?? id.getTimestamp();
      yield { id: id.toHexString(), kind: 'version', bytes, touchedAt, isWhole: false };
    } else if (isDigest(id)) {
      // An earlier release left it: from now on it is an upload like any other, and its grace time begins.
      await announce(database, { _id: id, length: bytes, filename: id });
      yield { id, kind: 'segment', bytes, touchedAt: await serverTime(database), isWhole: false };
    }
  }
}

/** Removes what was not touched since `before`. See `StoreCare.removeStored`. */
export async function removeStored(
  database: Database,
  ids: readonly string[],
  before: Date,
  signal: AbortSignal,
): Promise<string[]> {
  const removed: string[] = [];
  for (const id of ids) {
    throwIfAborted(signal);
    const gone = isDigest(id) ? await sweepSegment(database, id, before) : await sweepVersionFile(database, id, before);
    if (gone) removed.push(id);
  }
  return removed;
}

async function sweepSegment(database: Database, id: string, before: Date): Promise<boolean> {
  const { files, chunks } = database;
  // Before it is marked: chunks that a publisher stores once it is marked must not be among these.
  const ids = await chunkIds(database, id);
  const untouched = [{ touched_at: { $lt: before } }, { touched_at: { $exists: false }, uploadDate: { $lt: before } }];
  const marked = await files.updateOne(
    { _id: id, sweeping: { $exists: false }, $or: untouched },
    { $set: { sweeping: ids } },
  );
  const file = await files.findOne({ _id: id, sweeping: { $exists: true } }, { projection: { sweeping: 1 } });
  // Touched in between; or another collector has removed it.
  if (file?.sweeping === undefined) return marked.modifiedCount === 1;
  await chunks.deleteMany({ _id: { $in: [...file.sweeping] } });
  return (await files.deleteOne({ _id: id, sweeping: { $exists: true } })).deletedCount === 1;
}

/** The file of a version that nobody sees: its publish was cut off, or the version was collected. */
async function sweepVersionFile(database: Database, hex: string, before: Date): Promise<boolean> {
  const { files, chunks, leases, status } = database;
  if (!ObjectId.isValid(hex)) return false;
  const id = new ObjectId(hex);
  const there = await files.findOne({ _id: id }, { projection: { _id: 1 } });
  const ours = await files.findOne({ $and: [{ _id: id }, OURS] }, { projection: { uploadDate: 1, touched_at: 1 } });
  // Another software's, or touched in between.
  if (there !== null && (ours === null || (ours.touched_at ?? ours.uploadDate) >= before)) return false;
  const lease = await leases.findOne({ file_id: id });
  if (lease !== null) {
    const { touched_at: touchedAt } = lease;
    if (touchedAt !== undefined && touchedAt >= before) return false;
    // Its publisher touches the lease before it commits, and begins anew if the lease is gone.
    const same = touchedAt === undefined ? { touched_at: { $exists: false } } : { touched_at: touchedAt };
    if ((await leases.deleteOne({ _id: lease._id, file_id: id, ...same })).deletedCount === 0) return false;
  }
  const version = await status.findOne({ file_id: id, state: { $ne: 'collected' } }, { projection: { _id: 1 } });
  if (version !== null) return false;
  const file = await files.deleteOne({ _id: id });
  return (await chunks.deleteMany({ files_id: id })).deletedCount > 0 || file.deletedCount > 0;
}
