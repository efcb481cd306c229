import { asModelkeepError, ModelkeepError, versionName, type Manifest, type VersionRecord } from '../core/index.js';
import { addedBytes, type Reservation } from './budget.js';
import type { Compiler } from './compiler.js';
import type { Hosting } from './hosting.js';
import type { ResidencyOptions } from './options.js';
import type { Pools } from './pools.js';
import type { Resident } from './resident.js';
import type { Room } from './room.js';

/** What {@link Loading} works with; the residency's side of it. */
export interface LoadingParts {
  readonly options: ResidencyOptions;
  readonly pools: Pools;
  readonly hosting: Hosting;
  readonly compiler: Compiler | undefined;
  readonly room: Room;
  /** The versions that are not absent. */
  readonly residents: () => readonly Resident[];
  readonly onFetched: (record: VersionRecord, bytes: number, segments: number) => void;
}

/** The way of a version into the runners and out of them: manifest, room, segments, form, load, first run. */
export class Loading {
  readonly #parts: LoadingParts;
  /** By version: lets the cache remove its segments again. */
  readonly #unpinSegments = new Map<string, () => void>();

  constructor(parts: LoadingParts) {
    this.#parts = parts;
  }

  /**
   * Brings a version that is absent or failed to `ready`.
   *
   * @param prove says whether its answers are right, before it is ready
   * @throws ModelkeepError what the store, cache, reader, runner or `prove` said; the version is then still in the state
   * that it had come to, and to be unloaded
   */
  async load(resident: Resident, prove: () => Promise<void>, signal: AbortSignal): Promise<void> {
    const { options, pools, hosting, compiler, room, residents } = this.#parts;
    const { record } = resident;
    let reservation: Reservation | undefined;
    resident.enter('fetching');
    try {
      const manifest = await options.store.readManifest(record, { signal });
      // Refused before a byte of it is fetched.
      const pickles = pools.picklesFor(manifest);
      await options.approve?.(record, manifest, { signal });
      const added = addedBytes(manifest, residents());
      reservation = await room.admit(record, added, signal);
      await this.#fetch(resident, manifest, signal);
      await this.#quantize(resident, manifest, signal);
      resident.serveFrom(await compiler?.find(resident, record.size - added));
      resident.enter('loading');
      await pickles?.acquire(record.id, manifest, signal);
      resident.learn({ loaded: await hosting.loadIntoAll(resident, manifest, signal) });
      resident.enter('warming');
      await hosting.warm(resident, manifest, signal);
      await prove();
      resident.enter('ready');
      hosting.hostMissing(resident);
    } catch (error) {
      throw explain(record, asModelkeepError(error, 'LOAD_FAILED'));
    } finally {
      reservation?.end();
    }
  }

  /** Takes a version out of the runners and lets the cache remove its segments again. Never rejects. */
  async unload(resident: Resident): Promise<void> {
    const { hosting, options } = this.#parts;
    const { id } = resident.record;
    await hosting.unload(resident);
    await options.pickles?.release(id);
    this.#unpinSegments.get(id)?.();
    this.#unpinSegments.delete(id);
  }

  async #fetch(resident: Resident, manifest: Manifest, signal: AbortSignal): Promise<void> {
    const { options, onFetched } = this.#parts;
    const { store, cache } = options;
    const { record } = resident;
    resident.learn({ manifest });
    this.#unpinSegments.set(record.id, cache.pin(manifest));
    const { fetchedBytes, fetchedSegments } = await cache.pull(store, record, manifest, { signal });
    onFetched(record, fetchedBytes, fetchedSegments);
  }

  /** Has the quantized tensors made that the version is to be run from, if any, and keeps them. */
  async #quantize(resident: Resident, manifest: Manifest, signal: AbortSignal): Promise<void> {
    const quantized = await this.#parts.options.quantize?.(manifest, { signal });
    if (quantized === undefined) return;
    const { id } = resident.record;
    const unpin = [this.#unpinSegments.get(id), this.#parts.options.cache.pinSegments(quantized.tensors)];
    this.#unpinSegments.set(id, () => {
      for (const each of unpin) each?.();
    });
    resident.learn({ quantized: quantized.form });
    await this.#parts.options.cache.budget.enforce();
  }
}

function explain(record: VersionRecord, error: ModelkeepError): ModelkeepError {
  if (error.code !== 'LOAD_FAILED' && error.code !== 'RUNNER_CRASHED') return error;
  const message = `Version ${versionName(record)} could not be loaded: ${error.message}`;
  return new ModelkeepError(error.code, message, { cause: error, details: error.details });
}
