import { MongoError, type MongoClientOptions } from 'mongodb';
import {
  createDigester,
  throwIfAborted,
  versionName,
  type ReadOptions,
  type SegmentPlace,
  type VersionRecord,
  type VersionStore,
  type Watch,
} from '../../core/index.js';
import * as aliases from './aliases.js';
import { annotate } from './annotations.js';
import { openDatabase, type Database } from './database.js';
import { CHUNK_BYTES, MANIFEST_CONTENT_TYPE, type NodeDocument } from './documents.js';
import * as entries from './entries.js';
import { mongoError } from './errors.js';
import { feedEnd, readFeed } from './feed.js';
import { listEvents } from './history.js';
import { careMethods, type Run } from './care-methods.js';
import { createWork } from '../work.js';
import { publish } from './publish.js';
import { setState } from './states.js';
import { damaged, readRange, type StoredBytes } from './stored-bytes.js';
import * as versions from './versions.js';
import { openWatch } from './watch.js';

/** Options of {@link openMongoStore}. */
export interface MongoStoreOptions {
  /** `mongodb://HOST/DATABASE`, with whatever options the driver knows. */
  readonly url: string;
  /** GridFS bucket. @defaultValue 'fs' */
  readonly bucket?: string;
  /** Pause between two looks for changes, in ms, on a deployment without change streams. @defaultValue 250 */
  readonly pollIntervalMs?: number;
  /** Passed to the driver, such as `monitorCommands`; the URL's own options win. */
  readonly clientOptions?: MongoClientOptions;
  /** Called with the name of each command that is sent, its collection and what it asks for; for tests. */
  readonly onCommand?: (command: Readonly<Record<string, unknown>>, name: string) => void;
}

const DEFAULTS = Object.freeze({ bucket: 'fs', pollIntervalMs: 250 });

/**
 * Opens a store in MongoDB: versions as GridFS files, recorded in `ModelStatus`. See `docs/stores.md` for the layout.
 *
 * @throws ModelkeepError `STORE_UNAVAILABLE` if no server answers, `STORE_PERMISSION` for wrong credentials or rights,
 * `INVALID_INPUT` for a URL without database
 */
export async function openMongoStore(options: MongoStoreOptions): Promise<VersionStore> {
  const {
    url,
    bucket = DEFAULTS.bucket,
    pollIntervalMs = DEFAULTS.pollIntervalMs,
    clientOptions = {},
    onCommand,
  } = options;
  const monitored = onCommand === undefined ? clientOptions : { ...clientOptions, monitorCommands: true };
  const database = await openDatabase(url, bucket, monitored);
  if (onCommand !== undefined)
    database.client.on('commandStarted', ({ command, commandName }) =>
      onCommand(command as Record<string, unknown>, commandName),
    );
  return createStore(database, pollIntervalMs);
}

function createStore(database: Database, pollIntervalMs: number): VersionStore {
  const { location, client } = database;
  const watches = new Set<Watch>();
  const work = createWork(location, (error) => mongoError(error, location, 'read a segment'));
  /** Runs one operation, the driver's errors in the words of the house, others as they are. */
  const run: Run = (what, signal, task) =>
    work.run(async (linked) => {
      try {
        return await task(linked);
      } catch (error) {
        // What an abort breaks fails in many ways: the abort is the reason.
        throwIfAborted(linked);
        throw error instanceof MongoError ? mongoError(error, location, what) : error;
      }
    }, signal);
  const close = (): Promise<void> =>
    work.end(async () => {
      await Promise.all([...watches].map((watch) => watch.close()));
      await client.close();
    });
  return {
    location,
    capabilities: Object.freeze({ changes: database.replicated ? 'push' : 'poll', localFiles: false }),
    ping: ({ signal } = {}) =>
      run('reach the store', signal, async () => void (await database.db.command({ ping: 1 }))),
    publish: (draft, source, given = {}) =>
      run('publish', given.signal, (signal) => publish(database, draft, source, { ...given, signal })),
    resolve: (reference, { signal } = {}) =>
      run('resolve a reference', signal, () => versions.resolve(database, reference)),
    isCurrent: (reference, version, { signal } = {}) =>
      run('check a reference', signal, () => versions.isCurrent(database, reference, version)),
    listVersions: (filter, { signal } = {}) =>
      run('list versions', signal, () => versions.listVersions(database, filter)),
    readManifest: (record, { signal } = {}) =>
      run('read a manifest', signal, (linked) => versions.readManifest(database, record, linked)),
    readSegment: (record, place, given = {}) =>
      work.stream((signal) => readSegment(database, record, place, { ...given, signal }), given.signal),
    setState: (model, version, state, who = {}) =>
      run('change a version', undefined, () => setState(database, { model, version, state }, who)),
    annotate: (target, change, who = {}) =>
      run('annotate a version', undefined, () => annotate(database, target, change, who)),
    readEntry: (name, { signal } = {}) => run('read an entry', signal, () => entries.readEntry(database, name)),
    listEntries: (filter, { signal } = {}) => run('list entries', signal, () => entries.listEntries(database, filter)),
    writeEntry: (write, { signal } = {}) => run('write an entry', signal, () => entries.writeEntry(database, write)),
    removeEntry: (change, { signal } = {}) =>
      run('remove an entry', signal, () => entries.removeEntry(database, change)),
    feedEnd: ({ signal } = {}) => run('read the log', signal, () => feedEnd(database)),
    readFeed: (from, { signal } = {}) => run('read the log', signal, () => readFeed(database, from)),
    listAliases: ({ model } = {}, { signal } = {}) =>
      run('list aliases', signal, () => aliases.listAliases(database, model)),
    moveAlias: (move, { signal } = {}) => run('move an alias', signal, () => aliases.moveAlias(database, move)),
    changeAlias: (change, { signal } = {}) =>
      run('change an alias', signal, () => aliases.changeAlias(database, change)),
    recordGateFailure: (failure, { signal } = {}) =>
      run('record an event', signal, () => aliases.recordGateFailure(database, failure)),
    removeAlias: (alias) => run('remove an alias', undefined, () => aliases.removeAlias(database, alias)),
    listEvents: ({ model, limit }, { signal } = {}) =>
      run('read the history', signal, () => listEvents(database, model, limit)),
    reportNode: ({ node, ...report }, { ttlMs }) =>
      run('report', undefined, async () => {
        const seen = { seen_at: new Date(), expires_at: new Date(Date.now() + ttlMs) };
        await database.nodes.replaceOne({ _id: node }, { ...report, ...seen }, { upsert: true });
      }),
    listNodes: ({ signal } = {}) => run('list nodes', signal, () => listNodes(database)),
    watch: (given) =>
      run('watch for changes', undefined, async () => {
        const watch = await openWatch(database, given, pollIntervalMs);
        watches.add(watch);
        const end = (): Promise<void> => watch.close().finally(() => watches.delete(watch));
        return { close: end, [Symbol.asyncDispose]: end };
      }),
    ...careMethods({ database, work, run }),
    close,
    [Symbol.asyncDispose]: close,
  };
}

async function listNodes({ nodes }: Database) {
  // The TTL index removes them within a minute; until then they are passed over.
  const found = await nodes
    .find({ expires_at: { $gt: new Date() } })
    .sort({ _id: 1 })
    .toArray();
  return found.map(({ _id: node, host, pid, startedAt, holds, follows, seen_at: seenAt }: NodeDocument) => ({
    node,
    host,
    pid,
    startedAt,
    holds,
    follows,
    seenAt,
  }));
}

/** A segment by its digest, or the same bytes of a single-file version's own file. */
async function* readSegment(
  database: Database,
  record: VersionRecord,
  place: SegmentPlace,
  { start = 0, unchecked = false, signal }: ReadOptions,
): AsyncGenerator<Uint8Array> {
  const { digest: segment, path } = place;
  const what = { name: `segment ${segment} of file "${path}" of ${versionName(record)}`, path, segment };
  const digester = start > 0 || unchecked ? undefined : createDigester();
  for await (const bytes of openSegment(database, record, place, start, what, signal)) {
    digester?.update(bytes);
    yield bytes;
  }
  if (digester !== undefined && digester.finish() !== place.digest) throw damaged(what, 'its bytes were altered');
}

/** A Hugging Face directory is never one file, so it need not be asked for; other versions say it in their own file. */
async function* openSegment(
  database: Database,
  record: VersionRecord,
  place: SegmentPlace,
  start: number,
  what: StoredBytes,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  const { digest, size, offset } = place;
  const own = record.format === 'hf' ? undefined : await versions.ownFile(database, record);
  if (own === undefined || own.contentType === MANIFEST_CONTENT_TYPE) {
    yield* readRange(
      database,
      { _id: digest, length: size, chunkSize: CHUNK_BYTES },
      what,
      { start, end: size },
      signal,
    );
  } else {
    yield* readRange(database, own, what, { start: offset + start, end: offset + size }, signal);
  }
}
