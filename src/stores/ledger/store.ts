import {
  asModelkeepError,
  checkManifest,
  checkModelName,
  createDigester,
  decodeManifest,
  digestOf,
  ModelkeepError,
  throwIfAborted,
  versionName,
  type Manifest,
  type NodeReport,
  type Segment,
  type SegmentPlace,
  type ReadOptions,
  type StoreCapabilities,
  type StoreEvent,
  type VersionRecord,
  type VersionStore,
} from '../../core/index.js';
import { changeAlias, changeState, commitVersion, dropAlias, sameVersion } from './changes.js';
import { aliasRows, decodeRow, resolveRow, versionRows } from './records.js';
import { sendContents } from './send.js';
import { KEYS, type LedgerStorage, type LedgerTable } from './table.js';
import { watchLedger } from './watch.js';

/** Where the bytes of segments lie. */
export interface SegmentStorage {
  has(segment: Segment): Promise<boolean>;
  /** Stores a segment whole or not at all; the bytes have been checked when `bytes` ends normally. */
  write(segment: Segment, bytes: AsyncIterable<Uint8Array>): Promise<void>;
  /** Makes what was written durable. */
  settle(): Promise<void>;
  /** Bytes from `start`; undefined if the segment is missing. */
  read(segment: Segment, start: number): Promise<AsyncIterable<Uint8Array> | undefined>;
  /** The file of a segment, where there is one. */
  file?(segment: Segment): Promise<string | undefined>;
}

/** The parts of a store that keeps its metadata in a ledger. */
export interface LedgerStoreParts {
  readonly location: string;
  readonly capabilities: StoreCapabilities;
  readonly ledger: LedgerStorage;
  readonly segments: SegmentStorage;
  /** Turns an error of the storage into one of the house. */
  readonly translate: (error: unknown) => unknown;
  readonly close: () => Promise<void>;
}

function readManifestRow(table: LedgerTable, record: VersionRecord): Manifest {
  const stored = table.get(KEYS.version(record.model, record.version));
  const row = record.digest === undefined ? undefined : table.get(KEYS.manifest(record.digest));
  if (stored === undefined || row === undefined) {
    throw new ModelkeepError('VERSION_NOT_FOUND', `Version "${versionName(record)}" was removed: list the versions`);
  }
  const bytes = Buffer.from(row, 'utf8');
  if (digestOf(bytes) !== record.digest) {
    throw new ModelkeepError(
      'DIGEST_MISMATCH',
      `The manifest of "${versionName(record)}" is damaged: publish it again`,
    );
  }
  return decodeManifest(bytes);
}

async function* readVerified(
  parts: LedgerStoreParts,
  place: SegmentPlace,
  options: ReadOptions,
): AsyncGenerator<Uint8Array> {
  const start = options.start ?? 0;
  const damaged = (why: string): ModelkeepError =>
    new ModelkeepError(
      'DIGEST_MISMATCH',
      `Segment ${place.digest} of file "${place.path}" ${why} in ${parts.location}: publish the version again`,
      { details: { path: place.path, segment: place.digest } },
    );
  try {
    const bytes = await parts.segments.read(place, start);
    if (bytes === undefined) throw damaged('is missing');
    const digester = createDigester();
    for await (const part of bytes) {
      throwIfAborted(options.signal);
      digester.update(part);
      if (digester.size > place.size - start) throw damaged('is too long');
      yield part;
    }
    if (digester.size !== place.size - start) throw damaged(`has ${start + digester.size} of ${place.size} bytes`);
    if (start === 0 && digester.finish() !== place.digest) throw damaged('has altered bytes');
  } catch (error) {
    throw parts.translate(error);
  }
}

type StoredNode = NodeReport & { readonly seenAt: Date; readonly expiresAtMs: number };

function nodeRows(table: LedgerTable, now: number): (NodeReport & { readonly seenAt: Date })[] {
  const rows = table.range(KEYS.nodes).map((row) => decodeRow(row) as StoredNode);
  return rows.filter(({ expiresAtMs }) => expiresAtMs > now).map(({ expiresAtMs: _, ...node }) => node);
}

function putNode(table: LedgerTable, report: NodeReport, ttlMs: number): void {
  const now = Date.now();
  for (const row of table.range(KEYS.nodes)) {
    const { node, expiresAtMs } = decodeRow(row) as StoredNode;
    if (expiresAtMs <= now) table.remove(KEYS.node(node));
  }
  const stored: StoredNode = { ...report, seenAt: new Date(now), expiresAtMs: now + ttlMs };
  table.put(KEYS.node(report.node), JSON.stringify(stored));
}

/** A version store over a ledger and a place for segments: what the memory and the local store share. */
export function createLedgerStore(parts: LedgerStoreParts): VersionStore {
  const { ledger, segments, location, capabilities } = parts;
  let closing: Promise<void> | undefined;
  const ending = new AbortController();
  const watches = new Set<{ close(): Promise<void> }>();
  const check = (signal?: AbortSignal): void => {
    if (closing !== undefined) throw new ModelkeepError('CLOSED', `The store ${location} was closed: open it again`);
    throwIfAborted(signal);
  };
  const guarded = async <T>(work: () => T | Promise<T>, signal?: AbortSignal): Promise<T> => {
    check(signal);
    try {
      return await work();
    } catch (error) {
      throw parts.translate(error);
    }
  };
  const read = async <T>(work: (table: LedgerTable) => T, signal?: AbortSignal): Promise<T> =>
    guarded(() => ledger.read(work), signal);
  const write = async <T>(work: (table: LedgerTable) => T, signal?: AbortSignal): Promise<T> =>
    guarded(() => ledger.write(work), signal);

  const store: VersionStore = {
    location,
    capabilities,
    ping: async (options) => read((table) => void table.get(KEYS.format), options?.signal),
    publish: async (asked, source, options = {}) => {
      check(options.signal);
      const draft = { ...asked, model: checkModelName(asked.model), manifest: checkManifest(asked.manifest) };
      checkMetadata(draft.metadata);
      const same = await read((table) => sameVersion(table, draft));
      const signal = options.signal === undefined ? ending.signal : AbortSignal.any([options.signal, ending.signal]);
      const sent = await sendContents(
        { segments, manifest: draft.manifest, source, translate: parts.translate },
        { ...options, signal },
        same !== undefined,
      );
      const made = await write((table) => commitVersion(table, draft), options.signal);
      return { ...made, ...sent };
    },
    resolve: async (reference, options) => read((table) => resolveRow(table, reference), options?.signal),
    isCurrent: async (reference, version, options) =>
      read((table) => isCurrent(table, reference, version), options?.signal),
    listVersions: async (filter, options) => read((table) => versionRows(table, filter?.model), options?.signal),
    readManifest: async (record, options) => read((table) => readManifestRow(table, record), options?.signal),
    async *readSegment(_record, place, options = {}) {
      check(options.signal);
      yield* readVerified(parts, place, options);
    },
    setState: async (model, version, state, options = {}) =>
      write((table) => changeState(table, { model, version, state }, options)),
    listAliases: async (filter, options) => read((table) => aliasRows(table, filter?.model), options?.signal),
    moveAlias: async (move, options) => write((table) => changeAlias(table, move), options?.signal),
    removeAlias: async (alias) => write((table) => dropAlias(table, alias)),
    listEvents: async ({ model, limit }, options) => {
      const range = { reverse: true, ...(limit === undefined ? {} : { limit }) };
      const rows = await read((table) => table.range(KEYS.events(model), range), options?.signal);
      return rows.map((row) => decodeRow(row) as StoreEvent);
    },
    reportNode: async (report, { ttlMs }) => write((table) => putNode(table, report, ttlMs)),
    listNodes: async (options) => read((table) => nodeRows(table, Date.now()), options?.signal),
    watch: async (options) =>
      guarded(() => {
        const watch = watchLedger(ledger, options, parts.translate, () => watches.delete(watch));
        watches.add(watch);
        return watch;
      }),
    close: async () => {
      closing ??= (async () => {
        ending.abort(new ModelkeepError('CLOSED', `The store ${location} was closed during the operation`));
        await Promise.all([...watches].map((watch) => watch.close()));
        await parts.close();
      })();
      return closing;
    },
    [Symbol.asyncDispose]: async () => store.close(),
  };
  const { file } = segments;
  if (file !== undefined) store.segmentFile = async (segment) => guarded(() => file(segment));
  return store;
}

function isCurrent(table: LedgerTable, reference: Parameters<VersionStore['resolve']>[0], version: number): boolean {
  try {
    return resolveRow(table, reference).version === version;
  } catch (error) {
    if (asModelkeepError(error).code === 'INTERNAL') throw error;
    return false;
  }
}

/** Largest metadata of a version as JSON: 1 MiB. */
const MAX_METADATA_BYTES = 1024 * 1024;

function checkMetadata(metadata: Readonly<Record<string, unknown>> | undefined): void {
  const bytes = Buffer.byteLength(JSON.stringify(metadata ?? {}));
  if (bytes <= MAX_METADATA_BYTES) return;
  throw new ModelkeepError(
    'INVALID_INPUT',
    `The metadata has ${bytes} bytes as JSON, at most ${MAX_METADATA_BYTES} are allowed: put large facts into a file`,
  );
}
