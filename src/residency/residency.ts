import { EventEmitter, once } from 'node:events';
import type { SegmentCache } from '../cache/index.js';
import {
  asModelkeepError,
  ModelkeepError,
  throwIfAborted,
  versionName,
  type Abortable,
  type GateResult,
  type Manifest,
  type Segment,
  type VersionRecord,
  type VersionStore,
} from '../core/index.js';
import { proportionalMemory, type PicklePools, type QuantizedForm, type RunnerPool } from '../runners/index.js';
import { addedBytes, MemoryBudget, type Reservation } from './budget.js';
import { Failures } from './failures.js';
import { Compiler, type CompileReport, type CompilerOptions } from './compiler.js';
import { Hosting, type HostingEvents } from './hosting.js';
import { Parity, type ParityPolicy } from './parity.js';
import { Pins } from './pins.js';
import { Pools } from './pools.js';
import { Resident, type Lease, type Transition } from './resident.js';
import { SharedWork } from './shared-work.js';

/** A version's form other than as it was trained, and the tensors that it needs among the segments. */
export interface Quantized {
  readonly form: QuantizedForm;
  readonly tensors: readonly Segment[];
}

/** Makes the tensors of a version's form where they are missing; undefined for a version that is run as it was trained. */
export type Quantize = (manifest: Manifest, options?: Abortable) => Promise<Quantized | undefined>;

/** What {@link Residency} is made of. Borrowed: closing it closes none of them. */
export interface ResidencyOptions {
  readonly store: VersionStore;
  readonly cache: SegmentCache;
  readonly pool: RunnerPool;
  /** Further processes whose memory counts to the budget. @defaultValue none */
  readonly alsoMeasured?: () => readonly number[];
  /** For pickled models, which can run any code; absent: they are refused. */
  readonly pickles?: PicklePools;
  /** Threads of one run in one runner; at least 1. */
  readonly threads: number;
  /** Threads of a run while nothing else is asked, of compiled versions. @defaultValue as `threads` */
  readonly loneThreads?: number;
  /** Largest memory of the node and its runners, in bytes, by measurement; `0`: no bound. @defaultValue 0 */
  readonly memoryBudget?: number;
  /** Makes what versions in other precisions are run from; absent: all are run as they were trained. */
  readonly quantize?: Quantize;
  /** Says whether a version may be loaded, before a byte of it is fetched, by throwing if not; absent: all may. */
  readonly approve?: (record: VersionRecord, manifest: Manifest, options: Abortable) => Promise<void>;
  /** How hot versions are compiled; absent: none is. */
  readonly compiler?: CompilerOptions;
  /** Milliseconds without a request after which a version that is not pinned is let go; `0`: never. @defaultValue 0 */
  readonly idleUnloadMs?: number;
  /**
   * Bytes that a runner may keep when a version has left it, before a fresh process takes its place.
   * @defaultValue 48 MiB, what the runtime and the JavaScript engine take when they are warm; 16 MiB in a Python runner,
   * what modules take that were imported for the version; a tenth of the version that left if that is more
   */
  readonly keptBytes?: number;
  /** Golden answers that versions must give where no alias says otherwise. @defaultValue the defaults of each field */
  readonly parity?: ParityPolicy;
}

/** Options of {@link Residency.ensure}. */
export interface EnsureOptions extends Abortable {
  /** Golden answers that the version must give. @defaultValue those asked of it last, else those of the residency */
  readonly parity?: ParityPolicy | undefined;
}

/** What a residency tells. */
export interface ResidencyEvents extends HostingEvents {
  transition: [Transition];
  /** Bytes that came from the store for a version. */
  fetched: [record: VersionRecord, bytes: number, segments: number];
  /** A version was let go to make room, or because nobody had asked it for long. */
  evicted: [record: VersionRecord, why: EvictionReason];
  /** A version was compiled and taken over, or could not be. */
  compiled: [CompileReport];
  /** A version ended its runners again and again; it is not loaded for a while. */
  quarantined: [record: VersionRecord, error: ModelkeepError];
  /** The runners were started anew, because they kept memory of versions that were let go; so many bytes came back. */
  renewed: [bytes: number];
  /** Runners keep memory, and could not be started anew. */
  'not-renewed': [error: ModelkeepError];
  /** A lease came back. */
  returned: [];
}

/** Why a version was let go though a reference may still mean it. */
export type EvictionReason = 'budget' | 'idle';

/** How long a waiting load relies on returned leases alone before it looks again, in ms. */
const LOOK_AGAIN_MS = 1_000;
/** Memory of a fresh runner besides the weights, which it shares: 50 MB measured with BERT-base, and some room. */
const PROCESS_BYTES = 80_000_000;
/** See {@link ResidencyOptions.keptBytes}. */
const KEPT_BYTES = { onnx: 48 * 2 ** 20, pickles: 16 * 2 ** 20 };
/** Share of a version's bytes within which memory is back. */
const KEPT_SHARE = 0.1;
/** How often idle versions are looked for, as a share of the time after which they go. */
const IDLE_CHECKS = 4;

/** One warm copy of each version in use: acquires, holds and releases versions, each through the table of states. */
export class Residency extends EventEmitter<ResidencyEvents> {
  readonly #options: ResidencyOptions;
  readonly #residents = new Map<string, Resident>();
  readonly #loads = new Map<string, SharedWork<Resident>>();
  readonly #leaving = new Map<string, Promise<void>>();
  readonly #unpinSegments = new Map<string, () => void>();
  readonly #failures = new Failures();
  readonly #parity: Parity;
  readonly #parityPolicies = new Map<string, ParityPolicy>();
  readonly #hosting: Hosting;
  readonly #compiler: Compiler | undefined;
  readonly #pins = new Pins();
  readonly #pools: Pools;
  readonly #budget: MemoryBudget | undefined;
  readonly #idleTimer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: ResidencyOptions) {
    super();
    this.#options = options;
    this.#pools = new Pools(options.pool, options.pickles);
    const { cache, store, threads, loneThreads = threads, memoryBudget = 0, idleUnloadMs = 0 } = options;
    const residents = (): Iterable<Resident> => this.#residents.values();
    this.#parity = new Parity(cache.folder, (runner) => this.emit('freed', runner));
    this.#hosting = new Hosting({
      pools: this.#pools,
      threads,
      loneThreads,
      residents,
      hasRoom: async (bytes = 0) => (await this.#budget?.hasRoom(PROCESS_BYTES + bytes)) ?? true,
      segmentsFolder: cache.folder,
      refetch: async ({ record, manifest }) => {
        if (manifest === undefined) return;
        await cache.pull(store, record, manifest);
        await options.quantize?.(manifest);
      },
    });
    this.#hosting.on('hosted', (resident, runner) => this.emit('hosted', resident, runner));
    this.#hosting.on('freed', (runner) => this.emit('freed', runner));
    this.#hosting.on('trouble', (record, error) => this.emit('trouble', record, error));
    const { compiler } = options;
    const onReport = (report: CompileReport): void => void this.emit('compiled', report);
    const hasRoom = async (bytes: number): Promise<boolean> => (await this.#budget?.hasRoom(bytes)) ?? true;
    this.#compiler =
      compiler === undefined ? undefined : new Compiler(compiler, { hosting: this.#hosting, onReport, hasRoom });
    this.#budget = memoryBudget === 0 ? undefined : this.#openBudget(memoryBudget);
    if (idleUnloadMs > 0)
      this.#idleTimer = setInterval(() => this.#evictIdle(idleUnloadMs), idleUnloadMs / IDLE_CHECKS).unref();
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
    const { alsoMeasured = () => [] } = this.#options;
    return proportionalMemory([process.pid, ...alsoMeasured(), ...this.#pools.pids]);
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
    clearInterval(this.#idleTimer);
    this.#hosting.close();
    await this.#compiler?.close();
    const loads = [...this.#loads.values()];
    for (const load of loads)
      load.cancel(new ModelkeepError('CLOSED', 'modelkeep was closed while a version was loading'));
    await Promise.allSettled(loads.map((load) => load.settled));
  }

  async #leave(resident: Resident): Promise<void> {
    await this.#unload(resident);
    await this.#reclaim(resident.record);
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
    resident.enter('fetching');
    let reservation: Reservation | undefined;
    try {
      const manifest = await this.#options.store.readManifest(record, { signal });
      // Refused before a byte of it is fetched.
      const pickles = this.#pools.picklesFor(manifest);
      await this.#options.approve?.(record, manifest, { signal });
      const added = addedBytes(manifest, this.residents);
      reservation = await this.#budget?.admit(record, added, signal);
      await this.#fetch(resident, manifest, signal);
      await this.#quantize(resident, manifest, signal);
      resident.serveFrom(await this.#compiler?.find(resident, record.size - added));
      resident.enter('loading');
      await pickles?.acquire(record.id, manifest, signal);
      resident.learn({ loaded: await this.#hosting.loadIntoAll(resident, manifest, signal) });
      resident.enter('warming');
      await this.#hosting.warm(resident, manifest, signal);
      this.#parity.forget(resident);
      await this.#parity.check(resident, this.#parityOf(record.id), signal);
      this.#failures.forget(record.id);
      resident.enter('ready');
      this.#hosting.hostMissing(resident);
      return resident;
    } catch (error) {
      const known = this.#explain(record, asModelkeepError(error, 'LOAD_FAILED'));
      await this.#abandon(resident, known, signal.aborted);
      throw known;
    } finally {
      reservation?.end();
    }
  }

  #newResident(record: VersionRecord): Resident {
    return new Resident(record, {
      onTransition: (transition) => this.emit('transition', transition),
      onLeaseBack: () => this.emit('returned'),
    });
  }

  async #fetch(resident: Resident, manifest: Manifest, signal: AbortSignal): Promise<void> {
    const { store, cache } = this.#options;
    const { record } = resident;
    resident.learn({ manifest });
    this.#unpinSegments.set(record.id, cache.pin(manifest));
    const { fetchedBytes, fetchedSegments } = await cache.pull(store, record, manifest, { signal });
    this.emit('fetched', record, fetchedBytes, fetchedSegments);
  }

  /** Has the quantized tensors made that the version is to be run from, if any, and keeps them. */
  async #quantize(resident: Resident, manifest: Manifest, signal: AbortSignal): Promise<void> {
    const quantized = await this.#options.quantize?.(manifest, { signal });
    if (quantized === undefined) return;
    const { id } = resident.record;
    const unpin = [this.#unpinSegments.get(id), this.#options.cache.pinSegments(quantized.tensors)];
    this.#unpinSegments.set(id, () => {
      for (const each of unpin) each?.();
    });
    resident.learn({ quantized: quantized.form });
    await this.#options.cache.budget.enforce();
  }

  #openBudget(maxBytes: number): MemoryBudget {
    return new MemoryBudget({
      maxBytes,
      measure: () => this.memory(),
      holders: () =>
        this.residents
          .filter(({ state }) => state !== 'failed' && state !== 'fetching')
          .map(({ record, leases, fresh, state, lastUsedMs }) => {
            return { record, leases, fresh, lastUsedMs, pinned: this.isPinned(record.id), ready: state === 'ready' };
          }),
      evict: (id) => this.#evict(id, 'budget'),
      renew: () => this.#renew(),
      leaseBack: async (signal) =>
        void (await once(this, 'returned', {
          signal: AbortSignal.any([signal, AbortSignal.timeout(LOOK_AGAIN_MS)]),
        }).catch(() => throwIfAborted(signal))),
    });
  }

  /** Relieves runners that keep memory of versions that were let go, this one among them. */
  async #reclaim({ size }: VersionRecord): Promise<void> {
    if (this.#closed) return;
    try {
      const mayKeep = (bytes: number): number => this.#options.keptBytes ?? Math.max(bytes, KEPT_SHARE * size);
      const bytes = await this.#hosting.reclaim({
        onnx: mayKeep(KEPT_BYTES.onnx),
        pickles: mayKeep(KEPT_BYTES.pickles),
      });
      if (bytes > 0) this.emit('renewed', bytes);
    } catch (error) {
      // The runners serve on as they are; the next version that leaves has it tried again.
      this.emit('not-renewed', asModelkeepError(error));
    }
  }

  /** Starts the runners anew when they keep memory of versions that were let go. */
  async #renew(): Promise<void> {
    const before = await this.memory();
    await this.#hosting.renew();
    this.emit('renewed', before - (await this.memory()));
  }

  async #evict(id: string, why: EvictionReason): Promise<void> {
    const resident = this.#residents.get(id);
    if (resident?.state !== 'ready') return;
    this.emit('evicted', resident.record, why);
    await this.release(id);
  }

  #evictIdle(idleUnloadMs: number): void {
    const before = performance.now() - idleUnloadMs;
    for (const { record, state, leases, fresh, lastUsedMs } of this.#residents.values()) {
      const isIdle = state === 'ready' && leases === 0 && !fresh && lastUsedMs < before;
      if (isIdle && !this.isPinned(record.id)) void this.#evict(record.id, 'idle');
    }
  }

  #explain(record: VersionRecord, error: ModelkeepError): ModelkeepError {
    if (error.code !== 'LOAD_FAILED' && error.code !== 'RUNNER_CRASHED') return error;
    const message = `Version ${versionName(record)} could not be loaded: ${error.message}`;
    return new ModelkeepError(error.code, message, { cause: error, details: error.details });
  }

  async #abandon(resident: Resident, error: ModelkeepError, givenUp: boolean): Promise<void> {
    const { id } = resident.record;
    await this.#unload(resident);
    if (givenUp) {
      resident.enter('absent');
      this.#residents.delete(id);
      return;
    }
    this.#failures.take(id, error);
    resident.enter('failed', error);
  }

  async #unload(resident: Resident): Promise<void> {
    await this.#hosting.unload(resident);
    await this.#options.pickles?.release(resident.record.id);
    this.#unpinSegments.get(resident.record.id)?.();
    this.#unpinSegments.delete(resident.record.id);
  }
}
