import {
  asModelkeepError,
  distinctSegments,
  ModelkeepError,
  versionName,
  type Manifest,
  type Segment,
  type VersionRecord,
} from '../core/index.js';
import type { QuantizedForm } from '../runners/index.js';
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

/** Nothing is smaller than a quarter of what was published: 8 bits for 32. */
const MOST_SAVED = 4;

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
    const { options, pools, hosting, compiler, room } = this.#parts;
    const { record } = resident;
    let reservation: Reservation | undefined;
    resident.enter('fetching');
    try {
      const manifest = await options.store.readManifest(record, { signal });
      // Refused before a byte of it is fetched.
      const pickles = pools.picklesFor(manifest);
      await options.approve?.(record, manifest, { signal });
      const quantized = options.quantizing?.formOf(manifest);
      const published = distinctSegments(manifest);
      let added = quantized === undefined ? this.#added(resident, published) : this.#atLeast(resident, published);
      reservation = await room.admit(record, added, signal);
      if (quantized === undefined) resident.learn({ mapped: published });
      await this.#fetch(resident, manifest, signal);
      if (quantized !== undefined) {
        await this.#quantize(resident, manifest, quantized, signal);
        added = this.#added(resident, resident.mapped);
        // What it needs is known only now.
        reservation?.end();
        reservation = await room.admit(record, added, signal);
      }
      resident.serveFrom(await compiler?.find(resident, addedBytes(resident.mapped, []) - added));
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

  /** What a version adds to memory where runners map these segments, in bytes. */
  #added(resident: Resident, mapped: readonly Segment[]): number {
    return addedBytes(mapped, this.#others(resident));
  }

  /** What a quantized version adds at the least, before its tensors are made; they may be there for another version. */
  #atLeast(resident: Resident, published: readonly Segment[]): number {
    const others = this.#others(resident);
    const known = others.map(({ manifest }) => ({ mapped: manifest === undefined ? [] : distinctSegments(manifest) }));
    return addedBytes(published, [...others, ...known]) / MOST_SAVED;
  }

  #others(resident: Resident): readonly Resident[] {
    return this.#parts.residents().filter((other) => other !== resident && other.state !== 'failed');
  }

  /** Has the tensors made that a version is to be run from, and keeps them. */
  async #quantize(
    resident: Resident,
    manifest: Manifest,
    quantized: QuantizedForm,
    signal: AbortSignal,
  ): Promise<void> {
    const { quantizing, cache } = this.#parts.options;
    const mapped = (await quantizing?.make(manifest, quantized, { signal })) ?? [];
    const { id } = resident.record;
    const unpin = [this.#unpinSegments.get(id), cache.pinSegments(mapped)];
    this.#unpinSegments.set(id, () => {
      for (const each of unpin) each?.();
    });
    resident.learn({ quantized, mapped });
    await cache.budget.enforce();
  }
}

function explain(record: VersionRecord, error: ModelkeepError): ModelkeepError {
  if (error.code !== 'LOAD_FAILED' && error.code !== 'RUNNER_CRASHED') return error;
  const message = `Version ${versionName(record)} could not be loaded: ${error.message}`;
  return new ModelkeepError(error.code, message, { cause: error, details: error.details });
}
