import { MongoBulkWriteError, ObjectId } from 'mongodb';
import {
  checkManifest,
  checkModelName,
  createDigester,
  distinctPlaces,
  manifestDigest,
  ModelkeepError,
  throwIfAborted,
  versionName,
  type ContentSource,
  type Manifest,
  type RepairOptions,
  type RetentionPolicy,
  type Segment,
  type StoreCare,
  type StoreEvent,
  type VerifiedVersion,
  type VersionRecord,
} from '../../core/index.js';
import type { Work } from '../work.js';
import { putFile } from './chunks.js';
import type { Database } from './database.js';
import { CHUNK_BYTES, type EventDocument } from './documents.js';
import { insertEvent } from './history.js';
import { putManifest, segmentDraft, singleFileDraft } from './publish.js';
import { collectVersion } from './states.js';
import { damaged, readRange } from './stored-bytes.js';
import { listStored, removeStored, serverTime } from './stored.js';
import { getVersion } from './versions.js';

/** Runs one operation, the driver's errors in the words of the house. */
export type Run = <T>(
  what: string,
  signal: AbortSignal | undefined,
  task: (signal: AbortSignal) => Promise<T>,
) => Promise<T>;

interface Room {
  readonly database: Database;
  readonly work: Work;
  readonly run: Run;
}

/** What looks after the data of a MongoDB store. */
export function careMethods({ database, work, run }: Room): StoreCare {
  return {
    now: ({ signal } = {}) => run('ask for the time', signal, () => serverTime(database)),
    listStored: ({ signal } = {}) => work.stream((linked) => listStored(database, linked), signal),
    readStored: (segment, { signal } = {}) => work.stream((linked) => readStored(database, segment, linked), signal),
    removeStored: (ids, { before, signal }) =>
      run('remove data', signal, (linked) => removeStored(database, ids, before, linked)),
    collectVersion: (model, version, { signal, ...options }) =>
      run('collect a version', signal, () => collectVersion(database, { model, version }, options)),
    repair: (record, manifest, source, options = {}) =>
      run('repair a version', options.signal, (signal) =>
        repair(database, record, checkManifest(manifest), source, { ...options, signal }),
      ),
    recordVerified: (verified, { signal } = {}) =>
      run('record an event', signal, () => recordVerified(database, verified)),
    listRetention: ({ signal } = {}) =>
      run('list retention policies', signal, async () => {
        const found = await database.retention.find().sort({ _id: 1 }).toArray();
        return found.map(({ _id: model, rules }) => ({ model, ...rules }));
      }),
    setRetention: (policy, { signal, ...who } = {}) =>
      run('set a retention policy', signal, () => setRetention(database, policy, who)),
    importEvents: (events, { signal } = {}) => run('import events', signal, () => importEvents(database, events)),
  };
}

async function* readStored(database: Database, segment: Segment, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const { digest, size } = segment;
  const what = { name: `segment ${digest}`, segment: digest };
  const file = { _id: digest, length: size, chunkSize: CHUNK_BYTES };
  const digester = createDigester();
  for await (const bytes of readRange(database, file, what, { start: 0, end: size }, signal)) {
    digester.update(bytes);
    yield bytes;
  }
  if (digester.finish() !== digest) throw damaged(what, 'its bytes were altered');
}

async function repair(
  database: Database,
  given: VersionRecord,
  manifest: Manifest,
  source: ContentSource,
  { signal, segments: only, onProgress }: RepairOptions,
): Promise<{ sentBytes: number }> {
  const record = await getVersion(database, given.model, given.version, true);
  const digest = manifestDigest(manifest);
  if (record.digest !== undefined && digest !== record.digest) {
    throw new ModelkeepError(
      'DIGEST_MISMATCH',
      `The manifest given for ${versionName(record)} has the digest ${digest}, ${record.digest} was published: look for another copy`,
      { details: { model: record.model, version: record.version } },
    );
  }
  const fileId = new ObjectId(record.id);
  const options = { verify: true, ...(signal === undefined ? {} : { signal }) };
  const draft = { model: record.model, manifest };
  const read = (path: string, start: number, end: number): AsyncIterable<Uint8Array> =>
    source.open(path, { start, end }, signal === undefined ? {} : { signal });
  const single = singleFileDraft(draft, fileId);
  if (single !== undefined) {
    await checkChunkSize(database, record, fileId);
    return { sentBytes: await putFile(database, single, () => read(single.path, 0, single.document.length), options) };
  }
  await putManifest(database, draft, fileId, options);
  const asked = only === undefined ? undefined : new Set(only.map((segment) => segment.digest));
  const places = distinctPlaces(manifest).filter((place) => asked?.has(place.digest) !== false);
  const totalBytes = places.reduce((sum, { size }) => sum + size, 0);
  let [sentBytes, doneBytes] = [0, 0];
  for (const place of places) {
    throwIfAborted(signal);
    const { path, offset, size } = place;
    sentBytes += await putFile(database, segmentDraft(place), () => read(path, offset, offset + size), options);
    onProgress?.({ doneBytes: (doneBytes += size), totalBytes });
  }
  return { sentBytes };
}

/** A script may have stored its file in chunks of another size, which this software reads and does not write. */
async function checkChunkSize({ files }: Database, record: VersionRecord, fileId: ObjectId): Promise<void> {
  const file = await files.findOne({ _id: fileId }, { projection: { chunkSize: 1 } });
  if (file === null || file.chunkSize === CHUNK_BYTES) return;
  throw new ModelkeepError(
    'UNSUPPORTED_FORMAT',
    `${versionName(record)} was stored by a script in chunks of ${file.chunkSize} bytes and cannot be mended in place: publish the file again`,
  );
}

async function recordVerified(
  database: Database,
  { model, version, deep, problems, repaired, by }: VerifiedVersion,
): Promise<void> {
  await getVersion(database, checkModelName(model), version, true);
  const who = by === undefined ? {} : { by };
  await insertEvent(database, { kind: 'verified', model, version, deep, problems, repaired, ...who }, undefined);
}

async function setRetention(
  { retention, events }: Database,
  policy: RetentionPolicy,
  { by, message }: { readonly by?: string; readonly message?: string },
): Promise<void> {
  const { model, ...rules } = policy;
  checkModelName(model);
  if (Object.keys(rules).length === 0) await retention.deleteOne({ _id: model });
  else await retention.updateOne({ _id: model }, { $set: { rules } }, { upsert: true });
  const who = { ...(by === undefined ? {} : { by }), ...(message === undefined ? {} : { message }) };
  await events.insertOne({
    _id: new ObjectId(),
    kind: 'retention-set',
    model_name: model,
    rules,
    at: new Date(),
    ...who,
  });
}

/** Server code of a duplicate key. */
const DUPLICATE_KEY = 11_000;

async function importEvents({ events }: Database, given: readonly StoreEvent[]): Promise<number> {
  const documents = given.flatMap((event): EventDocument[] => {
    if (event.kind === 'published') return [];
    const { id, model, ...rest } = event;
    // It did not happen now: the log of what does is not told.
    return [{ ...rest, _id: new ObjectId(id), model_name: model, fed: true }];
  });
  if (documents.length === 0) return 0;
  try {
    return (await events.insertMany(documents, { ordered: false })).insertedCount;
  } catch (error) {
    const failed = error instanceof MongoBulkWriteError ? [error.writeErrors].flat() : [];
    if (failed.length === 0 || failed.some(({ code }) => code !== DUPLICATE_KEY)) throw error;
    return documents.length - failed.length;
  }
}
