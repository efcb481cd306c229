import {
  checkEntry,
  checkManifest,
  checkMetadata,
  checkModelName,
  checkTags,
  distinctPlaces,
  encodeManifest,
  matchesWhere,
  type ModelkeepError,
  type ContentSource,
  type PublishResult,
  type Segment,
  type StoreCapabilities,
  type StoreCare,
  type StoreEvent,
  type VersionDraft,
  type VersionStore,
  type Watch,
} from '../../core/index.js';
import * as aliases from './aliases.js';
import {
  checkManifestOf,
  collectRow,
  importRows,
  listStored,
  putRetention,
  recordVerified,
  removeStored,
  repairManifestRow,
  retentionRows,
} from './care.js';
import { annotateRow, changeState, commitVersion, sameVersion } from './changes.js';
import { readManifestRow, readVerified } from './contents.js';
import { dropEntry, entryRow, entryRows, putEntry } from './entries.js';
import { nodeRows, putNode } from './nodes.js';
import { aliasRows, decodeRow, feedEndRow, feedRows, isCurrentRow, resolveRow, versionRows } from './records.js';
import type { SegmentStorage } from './segment-storage.js';
import { sendContents, type SendOptions } from './send.js';
import { KEYS, type LedgerStorage, type LedgerTable } from './table.js';
import { tick, touch, touchRow } from './touches.js';
import { watchLedger } from './watch.js';
import { createWork, type Work } from '../work.js';

/** The parts of a store that keeps its metadata in a ledger. */
export interface LedgerStoreParts {
  /** The store's URL, for messages. */
  readonly location: string;
  /** What the store can do. */
  readonly capabilities: StoreCapabilities;
  /** Where the metadata lies. */
  readonly ledger: LedgerStorage;
  /** Where the bytes lie. */
  readonly segments: SegmentStorage;
  /** Turns an error of the storage into one of the house. */
  readonly translate: (error: unknown) => ModelkeepError;
  /** Gives back what the ledger and the segments hold; called once, when nothing uses them any more. */
  readonly close: () => Promise<void>;
}

/** What the methods of a store work with. */
interface Room {
  readonly parts: LedgerStoreParts;
  readonly work: Work;
  /** Reads rows, in one snapshot. */
  readonly read: <T>(task: (table: LedgerTable) => T, signal?: AbortSignal) => Promise<T>;
  /** Changes rows, in one transaction. */
  readonly write: <T>(task: (table: LedgerTable) => T, signal?: AbortSignal) => Promise<T>;
}

type VersionMethods = Pick<
  VersionStore,
  'publish' | 'resolve' | 'isCurrent' | 'listVersions' | 'readManifest' | 'readSegment' | 'setState' | 'annotate'
>;

type AliasMethods = Pick<
  VersionStore,
  | 'listAliases'
  | 'moveAlias'
  | 'changeAlias'
  | 'removeAlias'
  | 'recordGateFailure'
  | 'listEvents'
  | 'reportNode'
  | 'listNodes'
>;

/** A publish, once its draft is known to be sound. */
async function publishChecked(
  { parts, read, write }: Room,
  draft: VersionDraft,
  { source, options }: { readonly source: ContentSource; readonly options: SendOptions },
): Promise<PublishResult> {
  const { segments, translate } = parts;
  const places = distinctPlaces(draft.manifest);
  const totalBytes = places.reduce((sum, { size }) => sum + size, 0);
  for (let sentBytes = 0; ;) {
    // In this order: what is touched is not removed behind the back of who then finds it there.
    await write((table) => touch(table, places), options.signal);
    // Also for a version that is there already: what was damaged or lost of it is mended.
    sentBytes += (await sendContents({ segments, places, source, translate }, options)).sentBytes;
    const sent = { sentBytes, reusedBytes: Math.max(0, totalBytes - sentBytes) };
    const record = await read((table) => sameVersion(table, draft), options.signal);
    if (record !== undefined) return { record, created: false, ...sent };
    const made = await write((table) => commitTouched(table, draft, places), options.signal);
    if (made !== undefined) return { ...made, ...sent };
  }
}

/** Commits, unless a collector has removed something since it was sent: then it has to be sent again. */
function commitTouched(
  table: LedgerTable,
  draft: VersionDraft,
  places: readonly Segment[],
): ReturnType<typeof commitVersion> | undefined {
  if (places.some(({ digest }) => touchRow(table, digest) === undefined)) return undefined;
  touch(table, places);
  return commitVersion(table, draft);
}

function versionMethods(room: Room): VersionMethods {
  const { parts, work, read, write } = room;
  const { segments, location } = parts;
  return {
    publish: async (asked, source, options = {}) => {
      work.check(options.signal);
      const draft = { ...asked, model: checkModelName(asked.model), manifest: checkManifest(asked.manifest) };
      checkMetadata(draft.metadata);
      checkTags(draft.tags ?? []);
      return work.run(
        async (signal) => publishChecked(room, draft, { source, options: { ...options, signal } }),
        options.signal,
      );
    },
    resolve: async (reference, options) => read((table) => resolveRow(table, reference), options?.signal),
    isCurrent: async (reference, version, options) =>
      read((table) => isCurrentRow(table, reference, version), options?.signal),
    listVersions: async ({ model, where, deleted } = {}, options) => {
      const records = await read((table) => versionRows(table, model, deleted), options?.signal);
      return where === undefined ? records : records.filter((record) => matchesWhere(record, where));
    },
    readManifest: async (record, options) => read((table) => readManifestRow(table, record), options?.signal),
    readSegment: (_record, place, { start = 0, signal, ...how } = {}) =>
      work.stream((both) => readVerified({ segments, place, start, location, ...how }, both), signal),
    setState: async (model, version, state, options = {}) =>
      write((table) => changeState(table, { model, version, state }, options)),
    annotate: async (target, change, options = {}) => write((table) => annotateRow(table, target, change, options)),
  };
}

function careMethods({ parts, work, read, write }: Room): StoreCare {
  const { segments, location, translate } = parts;
  return {
    now: async (options) => write(tick, options?.signal),
    listStored: ({ signal } = {}) => work.stream((both) => listStored(parts, both), signal),
    readStored: (segment, { signal } = {}) => {
      const place = { ...segment, path: '(any)', offset: 0 };
      return work.stream((both) => readVerified({ segments, place, start: 0, location }, both), signal);
    },
    removeStored: async (ids, { before, signal }) =>
      translated(
        work.run((both) => removeStored(parts, ids, before, both), signal),
        translate,
      ),
    collectVersion: async (model, version, { signal, ...options }) =>
      write((table) => collectRow(table, { model, version }, options), signal),
    repair: async (record, given, source, { signal, segments: only, ...options } = {}) => {
      const manifest = checkManifest(given);
      checkManifestOf(record, manifest);
      await write((table) => {
        repairManifestRow(table, record, Buffer.from(encodeManifest(manifest)).toString('utf8'));
        touch(table, distinctPlaces(manifest));
      }, signal);
      const asked = only === undefined ? undefined : new Set(only.map(({ digest }) => digest));
      const places = distinctPlaces(manifest).filter(({ digest }) => asked?.has(digest) !== false);
      return work.run(
        async (both) => sendContents({ segments, places, source, translate }, { ...options, signal: both }),
        signal,
      );
    },
    listRetention: async (options) => read(retentionRows, options?.signal),
    recordVerified: async (verified, options) => write((table) => recordVerified(table, verified), options?.signal),
    setRetention: async (policy, { signal, ...who } = {}) => write((table) => putRetention(table, policy, who), signal),
    importEvents: async (events, options) => write((table) => importRows(table, events), options?.signal),
  };
}

function aliasMethods({ read, write }: Room): AliasMethods {
  return {
    listAliases: async (filter, options) => read((table) => aliasRows(table, filter?.model), options?.signal),
    moveAlias: async (move, options) => write((table) => aliases.moveAlias(table, move), options?.signal),
    changeAlias: async (change, options) => write((table) => aliases.changeAlias(table, change), options?.signal),
    removeAlias: async (alias) => write((table) => aliases.removeAlias(table, alias)),
    recordGateFailure: async (failure, options) =>
      write((table) => aliases.recordGateFailure(table, failure), options?.signal),
    listEvents: async ({ model, limit }, options) => {
      const range = { reverse: true, ...(limit === undefined ? {} : { limit }) };
      return read(
        (table) => Array.from(table.range(KEYS.events(model), range), (row) => decodeRow(row) as StoreEvent),
        options?.signal,
      );
    },
    reportNode: async (report, { ttlMs }) => write((table) => putNode(table, report, ttlMs)),
    listNodes: async (options) => read((table) => nodeRows(table, Date.now()), options?.signal),
  };
}

type EntryMethods = Pick<
  VersionStore,
  'readEntry' | 'listEntries' | 'writeEntry' | 'removeEntry' | 'feedEnd' | 'readFeed'
>;

function entryMethods({ read, write }: Room): EntryMethods {
  return {
    readEntry: async (name, options) => {
      checkEntry(name);
      return read((table) => entryRow(table, name), options?.signal);
    },
    listEntries: async ({ kind, prefix }, options) => read((table) => entryRows(table, kind, prefix), options?.signal),
    writeEntry: async (change, options) => {
      checkEntry(change, change.value);
      return write((table) => putEntry(table, change), options?.signal);
    },
    removeEntry: async (change, options) => {
      checkEntry(change);
      return write((table) => dropEntry(table, change), options?.signal);
    },
    feedEnd: async (options) => read((table) => feedEndRow(table), options?.signal),
    readFeed: async ({ after, limit }, options) => read((table) => feedRows(table, after, limit), options?.signal),
  };
}

function lifecycleMethods({ parts, work, read }: Room): Pick<VersionStore, 'ping' | 'watch' | 'close'> {
  const watches = new Set<Watch>();
  return {
    ping: async (options) => read((table) => void table.get(KEYS.format), options?.signal),
    watch: async (options) =>
      work.step(() => {
        const watch = watchLedger(parts.ledger, options, parts.translate, () => watches.delete(watch));
        watches.add(watch);
        return watch;
      }),
    close: async () =>
      work.end(async () => {
        await Promise.all([...watches].map((watch) => watch.close()));
        await parts.segments.close();
        await parts.close();
      }),
  };
}

/** A version store over a ledger and a place for segments: what the memory and the local store share. */
export function createLedgerStore(parts: LedgerStoreParts): VersionStore {
  const { ledger, segments, location, capabilities, translate } = parts;
  const work = createWork(location, translate);
  const room: Room = {
    parts,
    work,
    read: async (task, signal) => work.step(() => ledger.read(task), signal),
    write: async (task, signal) => work.step(() => ledger.write(task), signal),
  };
  const { close, ...lifecycle } = lifecycleMethods(room);
  const store = {
    location,
    capabilities,
    ...lifecycle,
    ...versionMethods(room),
    ...aliasMethods(room),
    ...careMethods(room),
    ...entryMethods(room),
    close,
    [Symbol.asyncDispose]: close,
  };
  if (segments.file === undefined) return store;
  const file = segments.file.bind(segments);
  return { ...store, segmentFile: async (segment) => work.run(async () => translated(file(segment), translate)) };
}

/** The result of work whose errors become ours. */
async function translated<T>(work: Promise<T>, translate: (error: unknown) => ModelkeepError): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw translate(error);
  }
}
