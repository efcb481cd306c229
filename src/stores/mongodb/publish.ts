import { ObjectId } from 'mongodb';
import {
  checkMetadata,
  checkModelName,
  checkTags,
  contentSize,
  distinctPlaces,
  encodeManifest,
  isSingleFile,
  manifestDigest,
  throwIfAborted,
  type ContentSource,
  type PublishOptions,
  type PublishResult,
  type SegmentPlace,
  type VersionDraft,
  type VersionRecord,
} from '../../core/index.js';
import { highestVersion } from './adoption.js';
import { putFile, type FileDraft, type PutOptions } from './chunks.js';
import { duplicateKey, type Database } from './database.js';
import { MANIFEST_CONTENT_TYPE, toRecord, type StatusDocument } from './documents.js';
import { announceAll } from './touches.js';
import { newestReady } from './versions.js';

/** How long a publish that was cut off can be resumed under the same file id, in ms: a day. */
const LEASE_MS = 24 * 60 * 60 * 1_000;

/**
 * Stores what is missing of a version, then makes it visible. Order matters: segments, the version's own file, and last
 * the `ModelStatus` document, which is the commit point.
 *
 * @throws ModelkeepError as `VersionStore.publish`
 */
export async function publish(
  database: Database,
  draft: VersionDraft,
  source: ContentSource,
  options: PublishOptions,
): Promise<PublishResult> {
  checkModelName(draft.model);
  checkMetadata(draft.metadata);
  checkTags(draft.tags ?? []);
  const totalBytes = distinctPlaces(draft.manifest).reduce((sum, { size }) => sum + size, 0);
  for (let sentBytes = 0; ;) {
    const sent = (): Pick<PublishResult, 'sentBytes' | 'reusedBytes'> => ({
      sentBytes,
      reusedBytes: Math.max(0, totalBytes - sentBytes),
    });
    const same = await sameAsNewest(database, draft);
    if (same !== undefined) return { record: same, created: false, ...sent() };
    const fileId = await leaseFileId(database, draft);
    sentBytes += await sendContents(database, draft, fileId, source, options);
    throwIfAborted(options.signal);
    if (!(await isAllThere(database, draft, fileId))) continue;
    const record = await commit(database, draft, fileId);
    if (record === undefined) continue;
    // A process that stood still between the two may have lost what it relied on: it is stored again.
    if (!(await isAllThere(database, draft, fileId)))
      sentBytes += await sendContents(database, draft, fileId, source, options);
    return { record, created: true, ...sent() };
  }
}

/** Touches all that the version needs, and tells whether it is there; what is touched stays for a grace time. */
async function isAllThere(database: Database, draft: VersionDraft, fileId: ObjectId): Promise<boolean> {
  const { files, status, leases } = database;
  // The lease, until there is a version, is what keeps the version's own file.
  const touched = { $currentDate: { touched_at: true as const } };
  const held =
    (await leases.updateOne({ _id: leaseKey(draft), file_id: fileId }, touched)).matchedCount === 1 ||
    (await status.findOne({ _id: fileId }, { projection: { _id: 1 } })) !== null;
  if (!held || (await files.findOne({ _id: fileId }, { projection: { _id: 1 } })) === null) return false;
  const places = isSingleFile(draft.manifest) ? [] : distinctPlaces(draft.manifest);
  return (await announceAll(database, places)).size === places.length;
}

async function sameAsNewest(
  database: Database,
  { model, manifest, force }: VersionDraft,
): Promise<VersionRecord | undefined> {
  const newest = await newestReady(database, model);
  return force !== true && newest?.digest === manifestDigest(manifest) ? newest : undefined;
}

function leaseKey({ model, manifest }: VersionDraft) {
  return { kind: 'publish' as const, model_name: model, digest: manifestDigest(manifest) };
}

/** The file id under which this content of this model is published: a repeated publish goes on with the same one. */
async function leaseFileId({ leases }: Database, draft: VersionDraft): Promise<ObjectId> {
  const update = {
    $setOnInsert: { file_id: new ObjectId() },
    $set: { expires_at: new Date(Date.now() + LEASE_MS) },
    $currentDate: { touched_at: true as const },
  };
  const key = { _id: leaseKey(draft) };
  for (;;) {
    try {
      const lease = await leases.findOneAndUpdate(key, update, { upsert: true, returnDocument: 'after' });
      if (lease?.file_id !== undefined) return lease.file_id;
    } catch (error) {
      // Two upserts of the same key at once: the second one finds it on its next try.
      if (duplicateKey(error) === undefined) throw error;
    }
  }
}

async function sendContents(
  database: Database,
  draft: VersionDraft,
  fileId: ObjectId,
  source: ContentSource,
  options: PublishOptions,
): Promise<number> {
  const { manifest } = draft;
  const { signal } = options;
  const abortable = signal === undefined ? {} : { signal };
  // Whoever forces a publish may do so because what is stored is damaged; who copies a version names its number.
  const putting = { ...abortable, verify: draft.force === true && draft.version === undefined };
  const totalBytes = distinctPlaces(manifest).reduce((sum, { size }) => sum + size, 0);
  let doneBytes = 0;
  const report = (bytes: number): void =>
    options.onProgress?.({ doneBytes: (doneBytes = Math.min(totalBytes, doneBytes + bytes)), totalBytes });
  const read = (path: string, start: number, end: number) =>
    counted(source.open(path, { start, end }, abortable), report);
  const single = singleFileDraft(draft, fileId);
  if (single !== undefined)
    return putFile(database, single, () => read(single.path, 0, single.document.length), abortable);
  const places = distinctPlaces(manifest);
  const complete = await announceAll(database, places);
  let sentBytes = 0;
  for (const place of places) {
    throwIfAborted(signal);
    const before = doneBytes;
    const { path, offset, size } = place;
    const known = complete.has(place.digest) ? { complete: true } : {};
    const open = (): AsyncIterable<Uint8Array> => read(path, offset, offset + size);
    sentBytes += await putFile(database, segmentDraft(place), open, { ...putting, ...known });
    report(before + size - doneBytes);
  }
  await putManifest(database, draft, fileId);
  return sentBytes;
}

/** A segment as a GridFS file. */
export function segmentDraft({ digest, size, path }: SegmentPlace): FileDraft {
  return {
    document: { _id: digest, length: size, filename: digest },
    segments: [{ digest, size }],
    name: `segment ${digest} of file "${path}"`,
  };
}

/** The one GridFS file of a single-file version; undefined for any other. */
export function singleFileDraft(
  { model, manifest }: Pick<VersionDraft, 'model' | 'manifest'>,
  fileId: ObjectId,
): (FileDraft & { readonly path: string }) | undefined {
  const [only] = manifest.files;
  if (!isSingleFile(manifest) || only === undefined) return undefined;
  const document = {
    _id: fileId,
    length: only.size,
    filename: model,
    model_name: model,
    metadata: { manifest: Buffer.from(encodeManifest(manifest)).toString('utf8') },
  };
  return { document, segments: only.segments, name: `file "${only.path}"`, path: only.path };
}

async function* counted(
  bytes: AsyncIterable<Uint8Array>,
  onBytes: (bytes: number) => void,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of bytes) {
    yield chunk;
    onBytes(chunk.byteLength);
  }
}

/** The version's own file: the manifest, as one GridFS file under the model's name. */
export async function putManifest(
  database: Database,
  { model, manifest }: Pick<VersionDraft, 'model' | 'manifest'>,
  fileId: ObjectId,
  options: PutOptions = {},
): Promise<void> {
  const bytes = encodeManifest(manifest);
  const document = {
    _id: fileId,
    length: bytes.byteLength,
    filename: model,
    model_name: model,
    contentType: MANIFEST_CONTENT_TYPE,
  };
  const segments = [{ digest: manifestDigest(manifest), size: bytes.byteLength }];
  await putFile(database, { document, segments, name: `manifest of "${model}"` }, () => one(bytes), options);
}

async function* one(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield await Promise.resolve(bytes);
}

/**
 * Inserts the version's document with the next free number: one write, so that whoever dies around it leaves the version
 * or nothing, and holds up nobody. Undefined if the file is a version already: a publisher on the same lease was faster,
 * or one died before it gave the lease back.
 */
async function commit(database: Database, draft: VersionDraft, fileId: ObjectId): Promise<VersionRecord | undefined> {
  const { status, leases } = database;
  for (let wanted = draft.version; ; wanted = undefined) {
    const document = statusOf(draft, fileId, wanted ?? (await highestVersion(database, draft.model)) + 1);
    try {
      await status.insertOne(document);
    } catch (error) {
      if (duplicateKey(error) === undefined) throw error;
      // Somebody took the number: take the next one. Or somebody made a version of this very file.
      if ((await status.findOne({ _id: fileId }, { projection: { _id: 1 } })) === null) continue;
      await leases.deleteOne({ _id: leaseKey(draft), file_id: fileId });
      return undefined;
    }
    await leases.deleteOne({ _id: leaseKey(draft), file_id: fileId });
    return toRecord(document);
  }
}

/** The document's `_id` is the file's: two publishers on one lease cannot both make a version. */
function statusOf(
  { model, manifest, publishedBy, message, parent, metadata, tags = [], publishedAt }: VersionDraft,
  fileId: ObjectId,
  version: number,
): StatusDocument {
  return {
    _id: fileId,
    model_name: model,
    file_id: fileId,
    inserted_time: publishedAt ?? new Date(),
    version,
    digest: manifestDigest(manifest),
    format: manifest.format,
    size: contentSize(manifest),
    state: 'ready',
    metadata: metadata ?? {},
    ...(manifest.task === undefined ? {} : { task: manifest.task }),
    ...(publishedBy === undefined ? {} : { published_by: publishedBy }),
    ...(message === undefined ? {} : { message }),
    ...(parent === undefined ? {} : { parent }),
    ...(tags.length === 0 ? {} : { tags: checkTags(tags) }),
  };
}
