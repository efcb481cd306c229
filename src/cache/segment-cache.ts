import { constants } from 'node:fs';
import { copyFile, link, lstat, mkdir, readdir, realpath, rename, rm, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import {
  digestHex,
  distinctPlaces,
  fileError,
  ModelkeepError,
  throwIfAborted,
  type Abortable,
  type Digest,
  type Manifest,
  type Rest,
  type Segment,
  type SegmentPlace,
  type TransferProgress,
  type VersionRecord,
  type VersionStore,
} from '../core/index.js';
import { DiskBudget, type Kept } from './disk-budget.js';
import { downloadSegment } from './download.js';
import { lockOnMachine } from './machine-lock.js';
import { hashFile, isSealed, seal } from './sealed-file.js';

/** Options of {@link openSegmentCache}. */
export interface SegmentCacheOptions {
  /** Folder of the cache; made if it is not there, readable by its owner only. */
  readonly directory: string;
  /**
   * Bytes of segments, derived tensors and compiled forms that are kept; what versions in use need is kept even beyond
   * it. Segments that are hard links into an embedded store count too, though they take no room of their own. `0`: keep
   * only what is in use.
   */
  readonly maxBytes: number;
  /** Awaited after each piece of what is received or hashed. @defaultValue none is taken */
  readonly rest?: Rest;
}

/** Options of {@link SegmentCache.pull}. */
export interface PullOptions extends Abortable {
  readonly onProgress?: (progress: TransferProgress) => void;
}

/** What a pull did. */
export interface PullResult {
  /** Absolute folder of the segments, each a file named by the 64 hex digits of its digest. */
  readonly folder: string;
  /** Bytes that came from the store. */
  readonly fetchedBytes: number;
  /** Segments that came from the store. */
  readonly fetchedSegments: number;
}

/** Segments fetched at the same time: enough to hide the store's latency, few enough for a small machine. */
const PARALLEL_FETCHES = 4;
/** The node's disk cache of segments: verified, resumable, shared by the processes of a machine. */
export class SegmentCache {
  readonly #directory: string;
  readonly #resting: { readonly rest?: Rest };
  /** The bound on bytes; other parts of the cache are counted in it too. */
  readonly budget: DiskBudget;
  /** How many versions in use need a segment. */
  readonly #uses = new Map<Digest, number>();
  /** Fetches under way, each with the signal of the pull that began it. */
  readonly #fetching = new Map<Digest, { readonly work: Promise<number>; readonly signal: AbortSignal }>();

  private constructor({ directory, maxBytes, rest }: SegmentCacheOptions) {
    this.#directory = directory;
    this.#resting = rest === undefined ? {} : { rest };
    this.budget = new DiskBudget(maxBytes);
    this.budget.add(() => this.#kept());
  }

  /** @throws ModelkeepError `STORE_PERMISSION` or `STORE_UNAVAILABLE` if the folder cannot be made */
  static async open(options: SegmentCacheOptions): Promise<SegmentCache> {
    try {
      await mkdir(join(options.directory, 'segments'), { recursive: true, mode: 0o700 });
      await mkdir(join(options.directory, 'partial'), { recursive: true, mode: 0o700 });
      // One name for one folder: the locks among processes go by it.
      return new SegmentCache({ ...options, directory: await realpath(options.directory) });
    } catch (error) {
      throw fileError(error, `Cannot make the cache folder ${options.directory}`, 'choose another with --cache-dir');
    }
  }

  /** Absolute folder of the verified segments. */
  get folder(): string {
    return join(this.#directory, 'segments');
  }

  /** Marks a version's segments as in use, so that they stay until the returned function is called. */
  pin(manifest: Manifest): () => void {
    return this.pinSegments(distinctPlaces(manifest));
  }

  /** Marks segments as in use, so that they stay until the returned function is called. */
  pinSegments(segments: readonly Segment[]): () => void {
    const digests = segments.map(({ digest }) => digest);
    for (const digest of digests) this.#uses.set(digest, (this.#uses.get(digest) ?? 0) + 1);
    return () => {
      for (const digest of digests.splice(0)) {
        const left = (this.#uses.get(digest) ?? 0) - 1;
        if (left > 0) this.#uses.set(digest, left);
        else this.#uses.delete(digest);
      }
    };
  }

  /**
   * Brings the missing segments of a version onto this disk. Concurrent pulls, in this process or another, fetch each
   * segment once; an interrupted one goes on where it stopped. Nothing of it goes on once it has failed.
   *
   * @throws ModelkeepError what the store says; `DIGEST_MISMATCH` if its bytes are wrong; `STORE_UNAVAILABLE` naming
   * the cache folder if this disk is full
   */
  async pull(
    store: VersionStore,
    record: VersionRecord,
    manifest: Manifest,
    options: PullOptions = {},
  ): Promise<PullResult> {
    const places = distinctPlaces(manifest);
    const totalBytes = places.reduce((sum, { size }) => sum + size, 0);
    let doneBytes = 0;
    let fetchedBytes = 0;
    let fetchedSegments = 0;
    const queue = places[Symbol.iterator]();
    const stop = new AbortController();
    const signal = options.signal === undefined ? stop.signal : AbortSignal.any([options.signal, stop.signal]);
    const work = async (): Promise<void> => {
      for (const place of queue) {
        throwIfAborted(signal);
        const fetched = await this.#ensure(store, record, place, signal);
        doneBytes += place.size;
        fetchedBytes += fetched;
        if (fetched > 0) fetchedSegments += 1;
        options.onProgress?.({ doneBytes, totalBytes });
      }
    };
    const giveUp = (error: unknown): void => {
      stop.abort(new ModelkeepError('CANCELLED', 'Another segment of the version could not be fetched'));
      throw error;
    };
    const workers = Array.from({ length: PARALLEL_FETCHES }, () => work().catch(giveUp));
    try {
      await Promise.all(workers);
    } finally {
      await Promise.allSettled(workers);
    }
    if (fetchedSegments > 0) await this.budget.enforce();
    return { folder: this.folder, fetchedBytes, fetchedSegments };
  }

  /** Makes one segment present; the bytes that had to be fetched. A fetch under way is shared with its other callers. */
  async #ensure(store: VersionStore, record: VersionRecord, place: SegmentPlace, signal: AbortSignal): Promise<number> {
    for (;;) {
      const running = this.#fetching.get(place.digest);
      if (running === undefined && (await isSealed(this.#file(place.digest), place))) return 0;
      // Looked up again: another caller may have begun while the file was looked at.
      const other = running ?? this.#fetching.get(place.digest);
      if (other === undefined) break;
      try {
        await other.work;
        return 0;
      } catch (error) {
        // Its owner gave up; that is no reason for this caller to.
        if (!other.signal.aborted || signal.aborted) throw error;
      }
    }
    const work = this.#fetchLocked(store, record, place, signal).finally(() => this.#fetching.delete(place.digest));
    this.#fetching.set(place.digest, { work, signal });
    return work;
  }

  async #fetchLocked(
    store: VersionStore,
    record: VersionRecord,
    place: SegmentPlace,
    signal: AbortSignal,
  ): Promise<number> {
    const lock = await lockOnMachine(this.#directory, place.digest, signal);
    try {
      if (await isSealed(this.#file(place.digest), place)) return 0;
      const file = this.#file(place.digest);
      // Unsealed: half-linked, written to, or damaged. What its bytes are decides, not its name.
      if (await this.#adopt(file, place, signal)) return 0;
      if (await this.#linkFrom(store, place, file, signal)) return 0;
      return await this.#download(store, record, place, signal);
    } catch (error) {
      throw fileError(
        error,
        `Cannot write to the cache folder ${this.#directory}`,
        'free disk space or choose another with --cache-dir',
      );
    } finally {
      await lock.release();
    }
  }

  /** Seals a file whose bytes are right; removes it otherwise. */
  async #adopt(file: string, { digest, size }: SegmentPlace, signal: AbortSignal): Promise<boolean> {
    const found = await lstat(file).catch(() => undefined);
    if (found === undefined) return false;
    const options = { signal, ...this.#resting };
    if (found.isFile() && found.size === size && (await hashFile(file, options)) === digest) {
      await seal(file);
      return true;
    }
    // Where it is a file of the store too, the store has to look at its bytes before it says that it has them.
    await utimes(file, new Date(), new Date()).catch(() => undefined);
    await rm(file, { force: true });
    return false;
  }

  /** Links (or, across file systems, copies) a segment of an embedded store; false if it has none such. */
  async #linkFrom(store: VersionStore, place: SegmentPlace, file: string, signal: AbortSignal): Promise<boolean> {
    const source = await store.segmentFile?.(place);
    if (source === undefined) return false;
    try {
      await link(source, file);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
      await copyFile(source, file, constants.COPYFILE_FICLONE);
    }
    if (await this.#adopt(file, place, signal)) return true;
    throw new ModelkeepError(
      'DIGEST_MISMATCH',
      `Segment ${place.digest} of file "${place.path}" is damaged in ${store.location}: restore the store, or publish the version again`,
      { details: { path: place.path, segment: place.digest } },
    );
  }

  async #download(
    store: VersionStore,
    record: VersionRecord,
    place: SegmentPlace,
    signal: AbortSignal,
  ): Promise<number> {
    const partial = join(this.#directory, 'partial', digestHex(place.digest));
    const fetched = await downloadSegment({ store, record, place, signal, ...this.#resting }, partial);
    await seal(partial);
    await rename(partial, this.#file(place.digest));
    return fetched;
  }

  #file(digest: Digest): string {
    return join(this.folder, digestHex(digest));
  }

  /** Every segment that is here. */
  async #kept(): Promise<readonly Kept[]> {
    return Promise.all(
      (await readdir(this.folder)).map(async (name): Promise<Kept> => {
        const path = join(this.folder, name);
        const state = await lstat(path).catch(() => undefined);
        return {
          bytes: state?.size ?? 0,
          usedMs: state?.atimeMs ?? 0,
          inUse: this.#uses.has(`sha256:${name}`) || this.#fetching.has(`sha256:${name}`),
          remove: () => rm(path, { force: true }),
        };
      }),
    );
  }
}
