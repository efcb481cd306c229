import {
  distinctPlaces,
  ModelkeepError,
  throwIfAborted,
  versionName,
  type Abortable,
  type StoredData,
  type VersionRecord,
  type VersionStore,
} from '../core/index.js';
import { removeOrphanedSignatures } from './signatures.js';
import { applyRetention, retentionSteps, type RetentionStep } from './retention.js';

/** How long what nobody needs is kept, in ms, unless somebody says otherwise: a day. */
export const DEFAULT_GRACE_MS = 24 * 60 * 60 * 1_000;
/** Shortest grace time, in ms: publishers rely on what they touched a moment ago. */
export const MIN_GRACE_MS = 1_000;
/** Things that are removed between two looks for new versions. */
const BATCH = 256;

/** Options of {@link collectGarbage}. */
export interface GcOptions extends Abortable {
  /**
   * How long deleted versions can be restored and data that no version needs is kept, in ms; at least
   * {@link MIN_GRACE_MS}. Longer than any reader takes to read a version. @defaultValue {@link DEFAULT_GRACE_MS}
   */
  readonly graceMs?: number;
  /** Tell what would be done, and do nothing. @defaultValue false */
  readonly dryRun?: boolean;
  /** Who collects, for the history. @defaultValue 'gc' */
  readonly by?: string;
  /** Called when a phase begins, and from time to time while it goes on. */
  readonly onProgress?: (progress: GcProgress) => void;
}

/** How far collecting is. */
export interface GcProgress {
  readonly phase: 'retention' | 'mark' | 'sweep';
  /** Versions marked, or things looked at. */
  readonly done: number;
  /** Bytes removed. */
  readonly bytes: number;
}

/** A number of things and their bytes. */
export interface Amount {
  readonly count: number;
  readonly bytes: number;
}

/** What collecting did, or would do. */
export interface Collected {
  readonly dryRun: boolean;
  readonly graceMs: number;
  /** Versions that retention policies took out of use, such as `sentiment:1`. */
  readonly archived: readonly string[];
  readonly deleted: readonly string[];
  /** Versions that were deleted longer ago than the grace time, and are gone. */
  readonly collected: readonly string[];
  /** Versions that can still be restored. */
  readonly restorable: readonly string[];
  /** Versions whose data was marked as needed. */
  readonly markedVersions: number;
  /** Data that no version needs and nobody touched for the grace time: removed. */
  readonly removed: Amount;
  /** Data that no version needs, but that was touched within the grace time. */
  readonly waiting: Amount;
}

/**
 * Collects garbage: applies retention policies, ends versions that were deleted longer ago than the grace time, marks
 * what all others need, and removes the rest. Safe among publishers, readers and other collectors on any machine (see
 * `StoreCare`); can be stopped at any moment, and the next run goes on.
 *
 * @throws ModelkeepError `INVALID_INPUT` for a grace time that is too short; `DIGEST_MISMATCH` if a manifest cannot be
 * read, because nobody knows what that version needs: nothing is removed then
 */
export async function collectGarbage(store: VersionStore, options: GcOptions = {}): Promise<Collected> {
  const { graceMs = DEFAULT_GRACE_MS, dryRun = false, by = 'gc', signal, onProgress } = options;
  if (!(Number.isSafeInteger(graceMs) && graceMs >= MIN_GRACE_MS)) {
    throw new ModelkeepError(
      'INVALID_INPUT',
      `A grace time of ${graceMs} ms is too short: ${MIN_GRACE_MS} ms at least`,
    );
  }
  const abortable = signal === undefined ? {} : { signal };
  // The time comes first: what is touched from now on is not this run's.
  const now = await store.now(abortable);
  const before = new Date(now.getTime() - graceMs);
  onProgress?.({ phase: 'retention', done: 0, bytes: 0 });
  const steps: RetentionStep[] = [];
  for (const policy of await store.listRetention(abortable)) {
    const asked = await retentionSteps(store, policy, { now, before, ...abortable });
    steps.push(...(dryRun ? asked : await applyRetention(store, asked, by)));
  }
  const ended = await endDeleted(store, { before, by, dryRun }, abortable);
  const sweep = new Sweep(store, { before, dryRun, ended: ended.collected, options });
  await sweep.mark();
  await sweep.run();
  if (!dryRun) await removeOrphanedSignatures(store, abortable);
  const namesOf = (to: RetentionStep['to']): string[] =>
    steps.filter((step) => step.to === to).map(({ record }) => versionName(record));
  return {
    dryRun,
    graceMs,
    archived: namesOf('archived'),
    deleted: namesOf('deleted'),
    collected: ended.collected.map(versionName),
    restorable: ended.restorable.map(versionName),
    markedVersions: sweep.markedVersions,
    removed: sweep.removed,
    waiting: sweep.waiting,
  };
}

/** Ends the versions that were deleted before `before`. */
async function endDeleted(
  store: VersionStore,
  { before, by, dryRun }: { readonly before: Date; readonly by: string; readonly dryRun: boolean },
  options: Abortable,
): Promise<{ readonly collected: VersionRecord[]; readonly restorable: VersionRecord[] }> {
  const [collected, restorable]: [VersionRecord[], VersionRecord[]] = [[], []];
  for (const record of await store.listVersions({ deleted: true }, options)) {
    if (record.state !== 'deleted') continue;
    const old = record.changedAt !== undefined && record.changedAt < before;
    const { model, version } = record;
    const gone = old && (dryRun || (await store.collectVersion(model, version, { ...options, before, by })));
    (gone ? collected : restorable).push(record);
  }
  return { collected, restorable };
}

interface SweepParts {
  readonly before: Date;
  readonly dryRun: boolean;
  /** Versions that count as gone. */
  readonly ended: readonly VersionRecord[];
  readonly options: GcOptions;
}

/** Marks what versions need, then removes what none does. */
class Sweep {
  readonly #store: VersionStore;
  readonly #parts: SweepParts;
  readonly #abortable: Abortable;
  /** Ids of versions whose needs are known. */
  readonly #seen = new Set<string>();
  /** What they need: digests of segments, ids of versions. */
  readonly #needed = new Set<string>();
  markedVersions = 0;
  removed: Amount = { count: 0, bytes: 0 };
  waiting: Amount = { count: 0, bytes: 0 };

  constructor(store: VersionStore, parts: SweepParts) {
    this.#store = store;
    this.#parts = parts;
    this.#abortable = parts.options.signal === undefined ? {} : { signal: parts.options.signal };
    for (const { id } of parts.ended) this.#seen.add(id);
  }

  /** Takes down what the versions need that were not seen before; deleted ones too, they may be restored. */
  async mark(): Promise<void> {
    for (const record of await this.#store.listVersions({ deleted: true }, this.#abortable)) {
      if (this.#seen.has(record.id)) continue;
      throwIfAborted(this.#abortable.signal);
      await this.#markOne(record);
      this.#seen.add(record.id);
      this.markedVersions += 1;
      this.#tell('mark', this.markedVersions);
    }
  }

  async #markOne(record: VersionRecord): Promise<void> {
    this.#needed.add(record.id);
    // What a script stored and nobody has read is one file under its own id.
    if (record.digest === undefined) return;
    try {
      const manifest = await this.#store.readManifest(record, this.#abortable);
      for (const { digest } of distinctPlaces(manifest)) this.#needed.add(digest);
    } catch (error) {
      if (!(error instanceof ModelkeepError)) throw error;
      // Another collector was faster.
      if (error.code === 'VERSION_NOT_FOUND') return;
      if (error.code !== 'DIGEST_MISMATCH') throw error;
      throw new ModelkeepError(
        'DIGEST_MISMATCH',
        `Nothing was removed, as what ${versionName(record)} needs cannot be told: ${error.message}. Mend it with modelkeep verify --repair, or delete the version`,
        { cause: error, details: error.details },
      );
    }
  }

  async run(): Promise<void> {
    let batch: StoredData[] = [];
    let looked = 0;
    for await (const data of this.#store.listStored(this.#abortable)) {
      looked += 1;
      this.#tell('sweep', looked);
      if (this.#needed.has(data.id)) continue;
      if (data.touchedAt >= this.#parts.before) this.waiting = plus(this.waiting, [data]);
      else if (batch.push(data) === BATCH) {
        await this.#remove(batch);
        batch = [];
      }
    }
    await this.#remove(batch);
  }

  async #remove(batch: readonly StoredData[]): Promise<void> {
    if (batch.length === 0) return;
    // Versions that were published since the last look need what they need, whenever it was touched.
    await this.mark();
    const candidates = batch.filter(({ id }) => !this.#needed.has(id));
    const { before, dryRun } = this.#parts;
    const ids = candidates.map(({ id }) => id);
    const gone = new Set(dryRun ? ids : await this.#store.removeStored(ids, { ...this.#abortable, before }));
    this.removed = plus(
      this.removed,
      candidates.filter(({ id }) => gone.has(id)),
    );
  }

  #tell(phase: GcProgress['phase'], done: number): void {
    if (done % 100 === 1) this.#parts.options.onProgress?.({ phase, done, bytes: this.removed.bytes });
  }
}

function plus({ count, bytes }: Amount, more: readonly StoredData[]): Amount {
  return { count: count + more.length, bytes: more.reduce((sum, data) => sum + data.bytes, bytes) };
}
