import { EventEmitter } from 'node:events';
import {
  asModelkeepError,
  ModelkeepError,
  throwIfAborted,
  type GateResult,
  type VersionRecord,
} from '../core/index.js';
import { Compiler, type CompileReport } from './compiler.js';
import { Failures } from './failures.js';
import { Hosting } from './hosting.js';
import { Loading } from './loading.js';
import type { EnsureOptions, ResidencyEvents, ResidencyOptions } from './options.js';
import { Parity, type ParityPolicy } from './parity.js';
import { Pins } from './pins.js';
import { Pools } from './pools.js';
import { Resident, type Lease } from './resident.js';
import { Room } from './room.js';
import { SharedWork } from './shared-work.js';

/** One warm copy of each version in use: acquires, holds and releases versions, each through the table of states. */
export class Residency extends EventEmitter<ResidencyEvents> {
  readonly #options: ResidencyOptions;
  readonly #residents = new Map<string, Resident>();
  readonly #loads = new Map<string, SharedWork<Resident>>();
  readonly #leaving = new Map<string, Promise<void>>();
  readonly #failures = new Failures();
  readonly #parity: Parity;
  readonly #parityPolicies = new Map<string, ParityPolicy>();
  readonly #hosting: Hosting;
  readonly #compiler: Compiler | undefined;
  readonly #pins = new Pins();
  readonly #room: Room;
  readonly #loading: Loading;
  #closed = false;

  constructor(options: ResidencyOptions) {
    super();
    this.#options = options;
    const pools = new Pools(options.pool, options.pickles);
    const residents = (): readonly Resident[] => this.residents;
    this.#parity = new Parity(options.cache.folder);
    this.#hosting = this.#openHosting(pools);
    this.#room = new Room({
      options,
      pools,
      hosting: this.#hosting,
      residents,
      isPinned: (id) => this.isPinned(id),
      release: (id) => this.release(id),
      events: this,
    });
    if (options.compiler !== undefined)
      this.#compiler = new Compiler(options.compiler, {
        hosting: this.#hosting,
        hasRoom: (bytes) => this.#room.has(bytes),
        onReport: (report: CompileReport) => void this.emit('compiled', report),
      });
    this.#loading = new Loading({
      options,
      pools,
      hosting: this.#hosting,
      compiler: this.#compiler,
      room: this.#room,
      residents,
      onFetched: (record, bytes, segments) => this.emit('fetched', record, bytes, segments),
    });
  }

  #openHosting(pools: Pools): Hosting {
    const { cache, store, threads, loneThreads = threads, quantizing } = this.#options;
    const hosting = new Hosting({
      pools,
      threads,
      loneThreads,
      residents: () => this.#residents.values(),
      hasRoom: (bytes) => this.#room.hasForProcess(bytes),
      segmentsFolder: cache.folder,
      refetch: async ({ record, manifest, quantized }) => {
        if (manifest === undefined) return;
        await cache.pull(store, record, manifest);
        if (quantized !== undefined) await quantizing?.make(manifest, quantized);
      },
    });
    hosting.on('hosted', (resident, runner) => this.emit('hosted', resident, runner));
    hosting.on('trouble', (record, error) => this.emit('trouble', record, error));
    return hosting;
  }

  /** All versions that are not absent. */
  get residents(): readonly Resident[] {
    return [...this.#residents.values()];
  }

  /** The resident copy of a version if it is ready. */
  ready(id: string): Resident | undefined {
    const resident = this.#residents.get(id);
    return resident?.state === 'ready' ? resident : undefined;
  }

  /**
   * Makes a version ready, once, however many callers ask. A caller that gives up cancels nothing for the others; the
   * last one that gives up cancels the work.
   *
   * @throws ModelkeepError `GATE_FAILED` if it does not give its golden answers here; `LOAD_FAILED`, `RUNNER_CRASHED`, or what the store, cache or reader said; after a failure
   * the same error for a back-off time of 1 s, doubling to 60 s. `CLOSED` once closed
   */
  async ensure(record: VersionRecord, { signal, parity }: EnsureOptions = {}): Promise<Resident> {
    if (parity !== undefined) this.#parityPolicies.set(record.id, parity);
    const resident = await this.#ensure(record, signal);
    // It may have been loaded for somebody who asks for less; what was computed for it is not computed again.
    await this.#parity.check(resident, this.#parityOf(record.id), signal);
    return resident;
  }

  /** What the golden answers of a ready version show. @throws ModelkeepError what a runner says if it cannot be asked */
  parityOf(resident: Resident): Promise<GateResult> {
    return this.#parity.result(resident, this.#parityOf(resident.record.id));
  }

  #parityOf(id: string): ParityPolicy {
    return this.#parityPolicies.get(id) ?? this.#options.parity ?? {};
  }

  async #ensure(record: VersionRecord, signal: AbortSignal | undefined): Promise<Resident> {
    for (;;) {
      if (this.#closed) throw new ModelkeepError('CLOSED', 'This modelkeep is closed');
      throwIfAborted(signal);
      const found = this.#residents.get(record.id);
      if (found?.state === 'ready') return found;
      const leaving = this.#leaving.get(record.id);
      if (leaving === undefined && found?.state === 'draining') {
        found.enter('ready');
        this.#hosting.hostMissing(found);
        return found;
      }
      const load = this.#loads.get(record.id);
      if (leaving === undefined && load?.cancelled !== true) return (load ?? this.#startLoad(record)).join(signal);
      // Its memory is on its way back, or its last caller gave up: begin again when that is over.
      await Promise.allSettled([leaving, load?.settled]);
    }
  }

  /** A lease on a version, loading it if need be. @throws ModelkeepError as {@link ensure} */
  async acquire(record: VersionRecord, options: EnsureOptions = {}): Promise<Lease> {
    for (;;) {
      const resident = await this.ensure(record, options);
      // Somebody may have let it go before this caller could go on.
      if (resident.state === 'ready') return resident.lease();
    }
  }

  /** Memory of this process and its runners now, by proportional set size, in bytes. */
  memory(): Promise<number> {
    return this.#room.memory();
  }

  /** Keeps a version from eviction until the returned function is called. */
  pin(id: string): () => void {
    return this.#pins.add(id);
  }

  /** True while a version is kept from eviction. */
  isPinned(id: string): boolean {
    return this.#pins.has(id);
  }

  /**
   * Blames a version for the end of a runner that was running it. The third time within a minute, without an answer in
   * between, it is quarantined: let go, and refused with `RUNNER_CRASHED` for a back-off time.
   */
  blame(record: VersionRecord, error: ModelkeepError): void {
    const quarantine = this.#failures.blame(record, error);
    if (quarantine === undefined) return;
    this.emit('quarantined', record, quarantine);
    void this.release(record.id);
  }

  /** Takes note that a version has answered: it is blamed for nothing, and hotter than before. */
  answered(resident: Resident): void {
    this.#failures.absolve(resident.record.id);
    this.#compiler?.ran(resident);
  }

  /** Compiled forms that were found damaged and removed since the start. */
  get compiledDropped(): number {
    return this.#options.compiler?.dropped() ?? 0;
  }

  /** Has a ready version compiled in the background, whatever its heat; nothing where nothing is compiled. */
  compile(id: string): void {
    const resident = this.ready(id);
    if (resident !== undefined) this.#compiler?.start(resident);
  }

  /** Lets a version go: no new lease from now on, and its memory goes back when the last one is returned. */
  async release(id: string): Promise<void> {
    const resident = this.#residents.get(id);
    if (resident?.state !== 'ready') return;
    resident.enter('draining');
    await resident.idle();
    // Somebody acquired it again meanwhile, or is letting it go already.
    if (this.#residents.get(id)?.state !== 'draining' || this.#leaving.has(id)) return;
    const leaving = this.#leave(resident);
    this.#leaving.set(id, leaving);
    await leaving;
  }

  /** Stops loading; the pool's end gives the memory back. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#room.close();
    this.#hosting.close();
    await this.#compiler?.close();
    const loads = [...this.#loads.values()];
    for (const load of loads)
      load.cancel(new ModelkeepError('CLOSED', 'modelkeep was closed while a version was loading'));
    await Promise.allSettled(loads.map((load) => load.settled));
  }

  async #leave(resident: Resident): Promise<void> {
    await this.#loading.unload(resident);
    if (!this.#closed) await this.#room.reclaim(resident.record);
    resident.enter('absent');
    this.#residents.delete(resident.record.id);
    this.#leaving.delete(resident.record.id);
  }

  /** @throws ModelkeepError the remembered failure, while its back-off time lasts */
  #startLoad(record: VersionRecord): SharedWork<Resident> {
    this.#failures.check(record.id, this.#parityOf(record.id).mode === 'off' ? 'GATE_FAILED' : undefined);
    const load = new SharedWork((signal) => this.#load(record, signal));
    this.#loads.set(record.id, load);
    const forget = (): void => void this.#loads.delete(record.id);
    load.settled.then(forget, forget);
    return load;
  }

  async #load(record: VersionRecord, signal: AbortSignal): Promise<Resident> {
    const resident = this.#residents.get(record.id) ?? this.#newResident(record);
    this.#residents.set(record.id, resident);
    const prove = async (): Promise<void> => {
      this.#parity.forget(resident);
      await this.#parity.check(resident, this.#parityOf(record.id), signal);
      this.#failures.forget(record.id);
    };
    try {
      await this.#loading.load(resident, prove, signal);
      return resident;
    } catch (error) {
      const known = asModelkeepError(error);
      await this.#abandon(resident, known, signal.aborted);
      throw known;
    }
  }

  #newResident(record: VersionRecord): Resident {
    return new Resident(record, {
      onTransition: (transition) => this.emit('transition', transition),
      onLeaseBack: () => this.emit('returned'),
    });
  }

  async #abandon(resident: Resident, error: ModelkeepError, givenUp: boolean): Promise<void> {
    const { id } = resident.record;
    await this.#loading.unload(resident);
    if (givenUp) {
      resident.enter('absent');
      this.#residents.delete(id);
      return;
    }
    this.#failures.take(id, error);
    resident.enter('failed', error);
  }
}
