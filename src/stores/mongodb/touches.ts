import type { ObjectId } from 'mongodb';
import type { Digest, Segment } from '../../core/index.js';
import { duplicateKey, type Database } from './database.js';
import { CHUNK_BYTES, type FileDocument } from './documents.js';

/*
 * The document of a segment in `fs.files` is there before its chunks are, marked `incomplete`; so an upload can be
 * touched like a whole segment. Whoever removes one writes the ids of its chunks into the document first
 * (`sweeping`), by a condition on `touched_at`: touching and removing exclude each other in one document, and chunks
 * that a publisher stores afterwards are never among those that are deleted.
 */

/** Segments that are asked about at once. */
const BATCH = 1_000;
const TOUCH = Object.freeze({ $currentDate: Object.freeze({ touched_at: true as const }) });

/** What is there of a file. */
export type Announced = 'complete' | 'incomplete';

type NewFile = Omit<FileDocument, 'chunkSize' | 'uploadDate'>;

function upsertOf(document: NewFile) {
  // The `_id` is in the filter, and may be here too: it is the same.
  const fields = { ...document, chunkSize: CHUNK_BYTES, uploadDate: new Date(), incomplete: true as const };
  return { ...TOUCH, $setOnInsert: fields };
}

/**
 * Touches a file and says whether it is whole. A segment that is not there gets its document now; the file of a version
 * does not: it may be seen by plain scripts, and its lease is what is touched.
 */
export async function announce(database: Database, document: NewFile): Promise<Announced> {
  const { files } = database;
  if (typeof document._id !== 'string')
    return (await files.findOne({ _id: document._id }, { projection: { _id: 1 } })) === null
      ? 'incomplete'
      : 'complete';
  for (;;) {
    const found = await upsert(database, document);
    if (found === undefined) continue;
    if (found.sweeping === undefined) return found.incomplete === true ? 'incomplete' : 'complete';
    await takeOver(database, found);
  }
}

async function upsert({ files }: Database, document: NewFile): Promise<FileDocument | undefined> {
  try {
    const options = { upsert: true, returnDocument: 'after' } as const;
    return (await files.findOneAndUpdate({ _id: document._id }, upsertOf(document), options)) ?? undefined;
  } catch (error) {
    // Two upserts of the same key at once: the second one finds it on its next try.
    if (duplicateKey(error) !== undefined) return undefined;
    throw error;
  }
}

/** Ends the removal of a segment that is needed again; what is left is an empty upload. */
async function takeOver({ files, chunks }: Database, { _id, sweeping = [] }: FileDocument): Promise<void> {
  await chunks.deleteMany({ _id: { $in: [...sweeping] } });
  await files.updateOne({ _id, sweeping: { $exists: true } }, { $unset: { sweeping: '' }, $set: { incomplete: true } });
}

/** Touches many segments in a few round trips, and gives those that are whole. */
export async function announceAll(database: Database, segments: readonly Segment[]): Promise<ReadonlySet<Digest>> {
  const { files } = database;
  const complete = new Set<Digest>();
  for (let at = 0; at < segments.length; at += BATCH) {
    const digests = segments.slice(at, at + BATCH).map(({ digest }) => digest);
    await files.updateMany({ _id: { $in: digests } }, TOUCH);
    const found = files.find(
      { _id: { $in: digests }, incomplete: { $exists: false }, sweeping: { $exists: false } },
      { projection: { _id: 1 } },
    );
    for await (const { _id } of found) complete.add(_id as Digest);
  }
  return complete;
}

/** Marks an upload as whole; false if it is being removed, or was. */
export async function completeUpload({ files }: Database, document: FileDocument): Promise<boolean> {
  const { _id, ...fields } = document;
  if (typeof _id !== 'string') {
    await files.updateOne({ _id }, { $setOnInsert: fields }, { upsert: true });
    return true;
  }
  const whole = { $unset: { incomplete: '' as const }, ...TOUCH };
  return (await files.updateOne({ _id, sweeping: { $exists: false } }, whole)).matchedCount === 1;
}

/** Chunks of a stored file, for who is about to remove them. */
export async function chunkIds({ chunks }: Database, id: string): Promise<ObjectId[]> {
  const found = await chunks.find({ files_id: id }, { projection: { _id: 1 } }).toArray();
  return found.flatMap(({ _id }) => (_id === undefined ? [] : [_id]));
}
