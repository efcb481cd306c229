import type { AliasChange, AliasMove, AliasMoved, AliasRecord } from './alias.js';
import type { GateResult } from './gate.js';
import type { EntryChange, EntryName, EntryWrite, StoredEntry } from './entry.js';
import type { Manifest, Segment } from './manifest.js';
import type { AnnotationChange } from './metadata.js';
import type { Reference } from './reference.js';
import type { StoreCare } from './store-care.js';
import type { Where } from './where.js';
import type { FeedEvent, NodeReport, StoreEvent, VersionRecord, VersionState } from './version.js';

/** Options of every operation that may take long. */
export interface Abortable {
  /** Ends the operation with `CANCELLED` (or `DEADLINE_EXCEEDED` for a timeout signal). */
  readonly signal?: AbortSignal | undefined;
}

/** What callers may branch on: a capability, never a store's name. */
export interface StoreCapabilities {
  /** How changes made elsewhere become known: `push` at once, `poll` within a few seconds. */
  readonly changes: 'push' | 'poll';
  /** True if segments are files on this machine that {@link VersionStore.segmentFile} can name. */
  readonly localFiles: boolean;
}

/** Where the bytes to publish are read from. A store may read a range more than once, and ranges in any order. */
export interface ContentSource {
  /** Bytes `start` (inclusive) to `end` (exclusive) of the file `path` of the manifest. */
  open(
    path: string,
    range: { readonly start: number; readonly end: number },
    options?: Abortable,
  ): AsyncIterable<Uint8Array>;
}

/** A version to be. */
export interface VersionDraft {
  readonly model: string;
  readonly manifest: Manifest;
  readonly publishedBy?: string;
  readonly message?: string;
  readonly parent?: string;
  /** Free facts, at most 1 MiB as JSON. */
  readonly metadata?: Readonly<Record<string, unknown>>;
  /** Tags that it has from the beginning; not added if the newest version is the same already. */
  readonly tags?: readonly string[];
  /** Make a new version even if the newest one has the same digest. @defaultValue false */
  readonly force?: boolean;
  /** The number it is to have, if the model never had a version of that number. @defaultValue the next one */
  readonly version?: number;
  /** When it was published first, for a version that comes from another store. @defaultValue now */
  readonly publishedAt?: Date;
}

/** How far a transfer is. */
export interface TransferProgress {
  /** Bytes done, those that were already there included. */
  readonly doneBytes: number;
  readonly totalBytes: number;
}

/** Options of {@link VersionStore.publish}. */
export interface PublishOptions extends Abortable {
  /** Called after each chunk; must not throw. */
  readonly onProgress?: (progress: TransferProgress) => void;
}

/** What publishing did. */
export interface PublishResult {
  readonly record: VersionRecord;
  /** False if the newest ready version already had this digest, so that nothing was made. */
  readonly created: boolean;
  /** Bytes of contents that had to be sent; the manifest itself does not count. */
  readonly sentBytes: number;
  /** Bytes of contents that the store already had. */
  readonly reusedBytes: number;
}

/** Names the bytes to read: a segment at its place in a version. */
export interface SegmentPlace extends Segment {
  /** The file of the manifest that holds it. */
  readonly path: string;
  /** Where the segment begins in that file, in bytes. */
  readonly offset: number;
}

/** Options of {@link VersionStore.readSegment}. */
export interface ReadOptions extends Abortable {
  /** First byte wanted, to resume an interrupted read. @defaultValue 0 */
  readonly start?: number;
  /** The caller checks the digest, so that the bytes are not hashed twice; the store need not. @defaultValue false */
  readonly unchecked?: boolean;
  /** The caller is done with each part when it asks for the next: the store may use its memory again. @defaultValue false */
  readonly passing?: boolean;
}

/** A version that a gate held back. */
export interface GateFailure {
  readonly model: string;
  /** The alias that it was to answer for. */
  readonly alias?: string;
  readonly version: number;
  readonly gates: readonly GateResult[];
  /** Who was to promote it, or the node that would not serve it. */
  readonly by?: string;
  readonly message?: string;
}

/** What {@link VersionStore.watch} is told to do. */
export interface WatchOptions {
  /** The models that matter; asked anew before each poll, so it may grow. */
  readonly models: () => Iterable<string>;
  /** Something about `model` may have changed: resolve its references again. May be called without a change. */
  readonly onChange: (model: string) => void;
  /** The store became unreachable (`error` says why) or reachable again. Called on every change of it. */
  readonly onReachable?: (reachable: boolean, error?: Error) => void;
}

/** A running watch. */
export interface Watch extends AsyncDisposable {
  /** Stops it; idempotent, and no callback comes after it resolved. */
  close(): Promise<void>;
}

/**
 * Where versions live. Every adapter passes `describeVersionStore` of `modelkeep/testing` in each of its
 * configurations. An open function (`openLocalStore` …) resolves to a usable store or leaves nothing behind.
 *
 * Every method rejects with a `ModelkeepError`: `CLOSED` after `close()`, `STORE_UNAVAILABLE` if the store cannot be
 * reached or is full, `STORE_PERMISSION` if it refuses, `CANCELLED` when the signal fires.
 */
export interface VersionStore extends AsyncDisposable, StoreCare {
  /** The store's URL without secrets, for messages. */
  readonly location: string;
  readonly capabilities: StoreCapabilities;

  /** Asks for a sign of life. */
  ping(options?: Abortable): Promise<void>;

  /**
   * Stores what is missing of the contents, then makes the version visible in one step. Readers see nothing of it
   * before that; a publish that was cut off can be repeated and sends only what is still missing. Every segment is
   * checked against its digest on the way in.
   *
   * @throws ModelkeepError `INVALID_INPUT` for metadata or tags that are malformed or too large; `DIGEST_MISMATCH` if the source's bytes are not those of the manifest; the source's own
   * error if it fails
   */
  publish(draft: VersionDraft, source: ContentSource, options?: PublishOptions): Promise<PublishResult>;

  /**
   * The version that a reference means now. `latest` is the highest version number that is ready; the other selectors
   * find archived versions too, and deleted ones by none.
   *
   * @throws ModelkeepError `MODEL_NOT_FOUND`, `VERSION_NOT_FOUND` or `ALIAS_NOT_FOUND`; `INVALID_REFERENCE` for a
   * digest prefix of several versions. The message says what there is instead.
   */
  resolve(reference: Reference, options?: Abortable): Promise<VersionRecord>;

  /**
   * True if `reference` still means `version`: the cheap check behind `freshness: 'checked'`. Costs one query that
   * returns at most a version number, and reads no contents. False also if the reference means nothing any more.
   */
  isCurrent(reference: Reference, version: number, options?: Abortable): Promise<boolean>;

  /**
   * All versions of one model, or of all, that meet a condition; by model, then version number, ascending. Unknown
   * model: empty. Deleted versions are left out unless `deleted` asks for them too.
   */
  listVersions(
    filter?: { readonly model?: string; readonly deleted?: boolean; readonly where?: Where },
    options?: Abortable,
  ): Promise<readonly VersionRecord[]>;

  /**
   * The manifest of a version, verified against the record's digest where it has one. A version that a plain script
   * stored gets its manifest (and digest) here, at its first reading.
   *
   * @throws ModelkeepError `DIGEST_MISMATCH`, `VERSION_NOT_FOUND` if it was removed meanwhile
   */
  readManifest(record: VersionRecord, options?: Abortable): Promise<Manifest>;

  /**
   * The bytes of a segment from `start` to its end. A read from 0 ends normally only if length and sha256 are right;
   * a resumed or unchecked read checks the length, and the caller the digest of the whole.
   *
   * @throws ModelkeepError `DIGEST_MISMATCH` for missing, truncated or altered bytes, naming file and segment
   */
  readSegment(record: VersionRecord, place: SegmentPlace, options?: ReadOptions): AsyncIterable<Uint8Array>;

  /** With `capabilities.localFiles`: the file that holds a segment, never to be written to; undefined if missing. */
  segmentFile?(segment: Segment): Promise<string | undefined>;

  /**
   * Archives or deletes a version or brings it back (`ready`); doing it twice is no error.
   *
   * @throws ModelkeepError `VERSION_NOT_FOUND`, also for one whose data was collected; `ALIAS_CONFLICT` when archiving
   * or deleting a version that an alias points at or shares its requests with
   */
  setState(
    model: string,
    version: number,
    state: VersionState,
    options?: { readonly by?: string; readonly message?: string },
  ): Promise<VersionRecord>;

  /**
   * Changes tags and annotations of a version, and records it; what changes nothing is not recorded.
   *
   * @throws ModelkeepError `VERSION_NOT_FOUND`; `INVALID_INPUT` for a malformed tag, key or value, or too many
   */
  annotate(
    target: { readonly model: string; readonly version: number },
    change: AnnotationChange,
    options?: { readonly by?: string; readonly message?: string },
  ): Promise<VersionRecord>;

  /** An entry, or undefined if it is not there. @throws ModelkeepError `INVALID_INPUT` for a malformed name */
  readEntry(name: EntryName, options?: Abortable): Promise<StoredEntry | undefined>;

  /** The entries of a kind whose key begins with `prefix`, by key. */
  listEntries(
    filter: { readonly kind: string; readonly prefix?: string },
    options?: Abortable,
  ): Promise<readonly StoredEntry[]>;

  /**
   * Makes or replaces an entry, alone among all writers.
   *
   * @returns the entry; undefined if `expect` does not hold, and nothing is changed then
   * @throws ModelkeepError `INVALID_INPUT` for a malformed name, or more than 8 MiB
   */
  writeEntry(write: EntryWrite, options?: Abortable): Promise<StoredEntry | undefined>;

  /** Removes an entry; false if it is not there, or `expect` does not hold. */
  removeEntry(change: EntryChange, options?: Abortable): Promise<boolean>;

  /** Aliases of one model, or of all; by model, then alias. */
  listAliases(filter?: { readonly model?: string }, options?: Abortable): Promise<readonly AliasRecord[]>;

  /**
   * Points an alias at a version, ends its split or shadow, and records the move.
   *
   * @throws ModelkeepError `ALIAS_CONFLICT` if `expect` does not hold (the message says who moved the alias, and where to),
   * `VERSION_NOT_FOUND` or `MODEL_NOT_FOUND` for the target, `INVALID_REFERENCE` for a malformed alias
   */
  moveAlias(move: AliasMove, options?: Abortable): Promise<AliasMoved>;

  /**
   * Changes what guards an alias, or how its requests are shared, and records it.
   *
   * @throws ModelkeepError `ALIAS_NOT_FOUND`; `ALIAS_CONFLICT` if `expectRevision` does not hold; `VERSION_NOT_FOUND` for
   * a version of the traffic that is not there or archived; `INVALID_INPUT` for shares or numbers that mean nothing
   */
  changeAlias(change: AliasChange, options?: Abortable): Promise<AliasRecord>;

  /** Records that a gate held a version back. Changes nothing else. @throws ModelkeepError `VERSION_NOT_FOUND` */
  recordGateFailure(failure: GateFailure, options?: Abortable): Promise<void>;

  /** Removes an alias. @throws ModelkeepError `ALIAS_NOT_FOUND`; `ALIAS_CONFLICT` if `expect` does not hold */
  removeAlias(alias: {
    readonly model: string;
    readonly alias: string;
    readonly expect?: number;
    readonly by?: string;
    readonly message?: string;
  }): Promise<void>;

  /** The history of a model, newest first. */
  listEvents(
    filter: { readonly model: string; readonly limit?: number },
    options?: Abortable,
  ): Promise<readonly StoreEvent[]>;

  /** The number of the newest event of the log; 0 if nothing has happened. */
  feedEnd(options?: Abortable): Promise<number>;

  /**
   * The log of all models behind an event, oldest first, at most `limit` events. An event that becomes known later has
   * a higher number, whatever the clock of its machine said, so a reader that goes on from the last number it has seen
   * misses none. What happened before this software kept a log is not in it.
   */
  readFeed(
    from: { readonly after: number; readonly limit: number },
    options?: Abortable,
  ): Promise<readonly FeedEvent[]>;

  /** Records what a node holds; forgotten `ttlMs` milliseconds after the last report. */
  reportNode(report: NodeReport, options: { readonly ttlMs: number }): Promise<void>;

  /** The nodes that reported lately. */
  listNodes(options?: Abortable): Promise<readonly (NodeReport & { readonly seenAt: Date })[]>;

  /** Watches for changes made by anybody, this process included. */
  watch(options: WatchOptions): Promise<Watch>;

  /** Ends all work and gives back every resource; idempotent, and concurrent callers share one run. */
  close(): Promise<void>;
}
