import { constants } from 'node:fs';
import { chmod, copyFile, link, lstat, mkdir, open, readdir, rename, rm, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import {
  asModelkeepError,
  createDigester,
  digestHex,
  distinctPlaces,
  fileError,
  ModelkeepError,
  type Abortable,
  type Digest,
  type Manifest,
  type SegmentPlace,
  type TransferProgress,
  type VersionRecord,
  type VersionStore,
} from '../core/index.js';
import { lockOnMachine } from './machine-lock.js';

/** Options of {@link openSegmentCache}. */
export interface SegmentCacheOptions {
  /** Folder of the cache; made if it is not there, readable by its owner only. */
  readonly directory: string;
  /**
   * Bytes of segments that are kept; what versions in use need is kept even beyond it. Segments that are hard links
   * into an embedded store count too, though they take no room of their own. `0`: keep only what is in use.
   */
  readonly maxBytes: number;
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
/**
 * The modification time that marks a verified segment, 2000-01-01. Anything that writes to the file changes it, so
 * one `lstat` tells that the bytes are still those that were hashed.
 */
const SEAL = new Date(946_684_800_000);

/** The node's disk cache of segments: verified, resumable, shared by the processes of a machine. */
export class SegmentCache {
  readonly #directory: string;
  readonly #maxBytes: number;
  /** How many versions in use need a segment. */
  readonly #uses = new Map<Digest, number>();
  readonly #fetching = new Map<Digest, Promise<number>>();

  private constructor({ directory, maxBytes }: SegmentCacheOptions) {
    this.#directory = directory;
    this.#maxBytes = maxBytes;
  }

  /** @throws ModelkeepError `STORE_PERMISSION` or `STORE_UNAVAILABLE` if the folder cannot be made */
  static async open(options: SegmentCacheOptions): Promise<SegmentCache> {
    const cache = new SegmentCache(options);
    try {
      await mkdir(cache.folder, { recursive: true, mode: 0o700 });
      await mkdir(join(options.directory, 'partial'), { recursive: true, mode: 0o700 });
    } catch (error) {
      throw fileError(error, `Cannot make the cache folder ${options.directory}`, 'choose another with --cache-dir');
    }
    return cache;
  }

  /** Absolute folder of the verified segments. */
  get folder(): string {
    return join(this.#directory, 'segments');
  }

  /** Marks a version's segments as in use, so that they stay until the returned function is called. */
  pin(manifest: Manifest): () => void {
    const digests = distinctPlaces(manifest).map(({ digest }) => digest);
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
   * segment once; an interrupted one goes on where it stopped.
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
    const work = async (): Promise<void> => {
      for (const place of queue) {
        const fetched = await this.#ensure(store, record, place, options.signal);
        doneBytes += place.size;
        fetchedBytes += fetched;
        if (fetched > 0) fetchedSegments += 1;
        options.onProgress?.({ doneBytes, totalBytes });
      }
    };
    await Promise.all(Array.from({ length: PARALLEL_FETCHES }, work));
    if (fetchedSegments > 0) await this.#evict();
    return { folder: this.folder, fetchedBytes, fetchedSegments };
  }

  /** Makes one segment present; the bytes that had to be fetched. A fetch under way is shared with its other callers. */
  async #ensure(
    store: VersionStore,
    record: VersionRecord,
    place: SegmentPlace,
    signal: AbortSignal | undefined,
  ): Promise<number> {
    for (;;) {
      const running = this.#fetching.get(place.digest);
      if (running === undefined && (await this.#isSealed(place))) return 0;
      // Looked up again: another caller may have begun while the file was looked at.
      const other = running ?? this.#fetching.get(place.digest);
      if (other === undefined) break;
      try {
        await other;
        return 0;
      } catch (error) {
        // Its owner gave up; that is no reason for this caller to.
        if (!isGivenUp(error) || signal?.aborted === true) throw error;
      }
    }
    const fetch = this.#fetchLocked(store, record, place, signal).finally(() => this.#fetching.delete(place.digest));
    this.#fetching.set(place.digest, fetch);
    return fetch;
  }

  async #isSealed({ digest, size }: SegmentPlace): Promise<boolean> {
    const file = this.#file(digest);
    const found = await lstat(file).catch(() => undefined);
    if (found === undefined || !found.isFile() || found.size !== size || found.mtimeMs !== SEAL.getTime()) return false;
    // The time of last use, by which the least recently used go first.
    await utimes(file, new Date(), SEAL).catch(() => undefined);
    return true;
  }

  async #fetchLocked(
    store: VersionStore,
    record: VersionRecord,
    place: SegmentPlace,
    signal: AbortSignal | undefined,
  ): Promise<number> {
    const lock = await lockOnMachine(this.#directory, place.digest, signal);
    try {
      if (await this.#isSealed(place)) return 0;
      const file = this.#file(place.digest);
      // Unsealed: half-linked, written to, or damaged. What its bytes are decides, not its name.
      if (await this.#adopt(file, place)) return 0;
      if (await this.#linkFrom(store, place, file)) return 0;
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
  async #adopt(file: string, { digest, size }: SegmentPlace): Promise<boolean> {
    const found = await lstat(file).catch(() => undefined);
    if (found === undefined) return false;
    if (found.isFile() && found.size === size && (await hashFile(file)) === digest) {
      await seal(file);
      return true;
    }
    await rm(file, { force: true });
    return false;
  }

  /** Links (or, across file systems, copies) a segment of an embedded store; false if it has none such. */
  async #linkFrom(store: VersionStore, place: SegmentPlace, file: string): Promise<boolean> {
    const source = await store.segmentFile?.(place);
    if (source === undefined) return false;
    try {
      await link(source, file);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
      await copyFile(source, file, constants.COPYFILE_FICLONE);
    }
    if (await this.#adopt(file, place)) return true;
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
    signal: AbortSignal | undefined,
  ): Promise<number> {
    const partial = join(this.#directory, 'partial', digestHex(place.digest));
    const output = await open(partial, 'a+', 0o600);
    const digester = createDigester();
    try {
      const found = (await output.stat()).size;
      const start = found <= place.size ? found : 0;
      if (start !== found) await output.truncate(0);
      if (start > 0)
        for await (const chunk of output.createReadStream({ start: 0, autoClose: false }))
          digester.update(chunk as Buffer);
      if (start < place.size) {
        for await (const chunk of store.readSegment(record, place, {
          start,
          ...(signal === undefined ? {} : { signal }),
        })) {
          digester.update(chunk);
          await output.write(chunk);
        }
      }
      const whole = digester.size === place.size && digester.finish() === place.digest;
      if (!whole) await this.#refuse(partial, store, place);
      await output.datasync();
      await seal(partial);
      await rename(partial, this.#file(place.digest));
      return place.size - start;
    } finally {
      await output.close();
    }
  }

  async #refuse(partial: string, store: VersionStore, place: SegmentPlace): Promise<never> {
    await rm(partial, { force: true });
    throw new ModelkeepError(
      'DIGEST_MISMATCH',
      `Segment ${place.digest} of file "${place.path}" did not arrive as it was published in ${store.location}: try again, and verify the store if it stays so`,
      { details: { path: place.path, segment: place.digest } },
    );
  }

  #file(digest: Digest): string {
    return join(this.folder, digestHex(digest));
  }

  /** Removes what was used longest ago until the bound holds; never what is in use here. */
  async #evict(): Promise<void> {
    const found = await Promise.all(
      (await readdir(this.folder)).map(async (name) => {
        const state = await lstat(join(this.folder, name)).catch(() => undefined);
        return { name, size: state?.size ?? 0, usedMs: state?.atimeMs ?? 0 };
      }),
    );
    let bytes = found.reduce((sum, { size }) => sum + size, 0);
    for (const { name, size } of found.toSorted((a, b) => a.usedMs - b.usedMs)) {
      if (bytes <= this.#maxBytes) return;
      if (this.#uses.has(`sha256:${name}`) || this.#fetching.has(`sha256:${name}`)) continue;
      await rm(join(this.folder, name), { force: true });
      bytes -= size;
    }
  }
}

function isGivenUp(error: unknown): boolean {
  return error instanceof ModelkeepError && (error.code === 'CANCELLED' || error.code === 'DEADLINE_EXCEEDED');
}

async function hashFile(file: string): Promise<Digest> {
  const handle = await open(file, 'r');
  const digester = createDigester();
  try {
    for await (const chunk of handle.createReadStream({ highWaterMark: 1024 * 1024, autoClose: false }))
      digester.update(chunk as Buffer);
  } catch (error) {
    throw asModelkeepError(error, 'STORE_UNAVAILABLE');
  } finally {
    await handle.close();
  }
  return digester.finish();
}

async function seal(file: string): Promise<void> {
  await chmod(file, 0o444);
  await utimes(file, new Date(), SEAL);
}
