import { EventEmitter, once } from 'node:events';
import {
  asModelkeepError,
  throwIfAborted,
  type Manifest,
  type ModelkeepError,
  type VersionRecord,
} from '../core/index.js';
import type { Runner } from '../runners/index.js';
import type { Pools } from './pools.js';
import { KeptMemory } from './kept-memory.js';
import { Relief } from './relief.js';
import type { LoadedModel, Resident } from './resident.js';

/** What {@link Hosting} is made of. */
export interface HostingOptions {
  readonly pools: Pools;
  /** True if there is memory for one more process for a moment, with so many bytes of its own besides. */
  readonly hasRoom: (bytes?: number) => Promise<boolean>;
  /** Absolute folder of the segments. */
  readonly segmentsFolder: string;
  /** Brings back what was removed from that folder since, of a version in its form; costs little where nothing was. */
  readonly refetch: (resident: Resident) => Promise<unknown>;
  /** Threads of one run in one runner. */
  readonly threads: number;
  /** Threads of a run while nothing else is asked, of compiled versions. */
  readonly loneThreads: number;
  /** The versions that a runner which takes another's place has to take over. */
  readonly residents: () => Iterable<Resident>;
}

/** What hosting tells. */
export interface HostingEvents {
  /** A runner now holds the version and can be asked. */
  hosted: [resident: Resident, runner: Runner];
  /** A replaced runner could not take over a resident version, or a compiled form could not be loaded. */
  trouble: [record: VersionRecord, error: ModelkeepError];
}

/** Runners that may end while one version is loaded, before it is taken for the cause. */
const CRASHES_ALLOWED = 1;

/** Puts versions into the runners of a pool and takes them out, whatever happens to the runners meanwhile. */
export class Hosting extends EventEmitter<HostingEvents> {
  readonly #options: HostingOptions;
  readonly #relief: Relief;
  readonly #kept = new KeptMemory();

  constructor(options: HostingOptions) {
    super();
    this.#options = options;
    const host = (resident: Resident, runner: Runner): Promise<void> => this.#host(resident, runner);
    this.#relief = new Relief({ pools: options.pools, residents: options.residents, host });
    options.pools.events.on('joined', this.#onJoined).on('mode', this.#onMode);
  }

  /** Listens to the pools no longer. */
  close(): void {
    this.#options.pools.events.off('joined', this.#onJoined).off('mode', this.#onMode);
  }

  /**
   * Loads into every runner in turn, so that the others go on serving; where there is only one and it serves, a fresh
   * process loads the version with everything else and takes its place. A runner that ends meanwhile is replaced and
   * loaded too.
   *
   * @throws ModelkeepError what the runner says; `RUNNER_CRASHED` if the version ended two of them
   */
  async loadIntoAll(resident: Resident, manifest: Manifest, signal: AbortSignal): Promise<LoadedModel> {
    const pool = this.#options.pools.for(manifest);
    await pool.open();
    let loaded: LoadedModel | undefined;
    if (pool === this.#options.pools.onnx && (await this.#shouldRelieve(resident))) {
      await this.#relief.relieveLone(async (fresh) => {
        throwIfAborted(signal);
        loaded = await this.#loadEither(resident, manifest, fresh);
        await fresh.call('warm', { op: 'warm', key: resident.record.id });
      });
    }
    for (let crashes = 0; ;) {
      throwIfAborted(signal);
      const runner = pool.runners.find((one) => one.alive && !resident.runners.has(one));
      if (runner === undefined) {
        if (loaded !== undefined && resident.runners.size > 0) return loaded;
        await once(pool.events, 'joined', { signal });
        continue;
      }
      try {
        loaded = await this.#loadEither(resident, manifest, runner);
      } catch (error) {
        crashes += 1;
        // A version that hangs hangs the next runner too.
        const hung = asModelkeepError(error).code === 'DEADLINE_EXCEEDED';
        if (hung || runner.alive || crashes > CRASHES_ALLOWED) throw error;
      }
    }
  }

  /**
   * Runs the version once in each runner that holds it. If the last of them ends meanwhile, it is loaded anew, once: the
   * second time the version is taken for the cause.
   *
   * @throws ModelkeepError if no runner could
   */
  async warm(resident: Resident, manifest: Manifest, signal: AbortSignal): Promise<void> {
    for (let crashes = 0; ; crashes += 1) {
      try {
        await this.#warmEach(resident, signal);
        return;
      } catch (error) {
        const crashed = asModelkeepError(error).code === 'RUNNER_CRASHED';
        if (!crashed || resident.runners.size > 0 || crashes >= CRASHES_ALLOWED) throw error;
        await this.loadIntoAll(resident, manifest, signal);
      }
    }
  }

  async #warmEach(resident: Resident, signal: AbortSignal): Promise<void> {
    // Deleting the visited one from a set is safe while walking it.
    for (const runner of resident.runners) {
      throwIfAborted(signal);
      try {
        await runner.call('warm', { op: 'warm', key: resident.record.id });
      } catch (error) {
        // One runner that ended is made up for by the others; its replacement loads the version when it is there.
        resident.runners.delete(runner);
        if (runner.alive || resident.runners.size === 0) throw error;
        continue;
      }
      this.emit('hosted', resident, runner);
    }
  }

  /** Lets runners that came meanwhile take a ready version over. */
  hostMissing(resident: Resident): void {
    const { manifest, runners } = resident;
    if (manifest === undefined) return;
    for (const runner of this.#options.pools.for(manifest).runners)
      if (!runners.has(runner)) void this.#host(resident, runner);
  }

  /**
   * Has every runner that holds a version take over its compiled form, one after the other, each between two requests.
   *
   * @throws ModelkeepError what a runner says; runners that come later then load the plain form again
   */
  async takeOver(resident: Resident, compiledFolder: string): Promise<void> {
    if (resident.manifest === undefined || resident.state !== 'ready') return;
    resident.serveFrom(compiledFolder);
    try {
      if (await this.#shouldRelieve()) {
        // A fresh process loads it in its new form.
        await this.#relief.relieveLone(() => Promise.resolve());
        return;
      }
      for (const runner of resident.runners)
        if (runner.alive) await this.#loadInto(resident, resident.manifest, runner);
    } catch (error) {
      resident.serveFrom(undefined);
      throw error;
    }
  }

  /**
   * Takes a version out of every runner in turn, so that the others go on serving: unmapping its weights takes a runner
   * some tens of milliseconds, just when the first requests come to the version that took its place. Never rejects: a
   * runner that ended has given the memory back by that.
   */
  async unload(resident: Resident): Promise<void> {
    // A runner that is still taking the version over would keep it for ever.
    await Promise.all(resident.hosting);
    const runners = [...resident.runners];
    resident.runners.clear();
    for (const runner of runners) {
      await Promise.allSettled([runner.call('unload', { op: 'unload', key: resident.record.id })]);
      this.#kept.left(runner, resident.record.id);
    }
  }

  /**
   * Puts fresh processes in the place of runners that keep memory which no version in them accounts for.
   *
   * @param mayKeep bytes that a runner of each kind may keep
   * @returns bytes that came back
   * @throws ModelkeepError as {@link Relief.relieve}
   */
  async reclaim(mayKeep: { readonly onnx: number; readonly pickles: number }): Promise<number> {
    const { onnx, pickles } = this.#options.pools;
    let bytes = 0;
    for (const runner of onnx.runners) bytes += await this.#reclaimFrom(runner, mayKeep.onnx);
    for (const runner of pickles?.runners ?? []) {
      // Unlike weights that are mapped, what it holds is there twice for a moment.
      if (await this.#options.hasRoom(this.#kept.heldBy(runner)))
        bytes += await this.#reclaimFrom(runner, mayKeep.pickles);
    }
    return bytes;
  }

  async #reclaimFrom(runner: Runner, mayKeep: number): Promise<number> {
    const kept = await this.#kept.of(runner);
    if (kept <= mayKeep) return 0;
    const replaced = await this.#relief.relieve(runner);
    await replaced?.retired;
    return replaced === undefined ? 0 : kept;
  }

  /** Starts every runner anew. @throws ModelkeepError as {@link Relief.relieve} */
  async renew(): Promise<void> {
    for (const runner of this.#options.pools.onnx.runners) await (await this.#relief.relieve(runner))?.retired;
  }

  /** Whether a fresh process should do what would keep the one runner from serving. */
  async #shouldRelieve(except?: Resident): Promise<boolean> {
    return this.#relief.wouldBlock(except) && (await this.#options.hasRoom());
  }

  /** Loads the compiled form if there is one; where that fails the plain one, which is no reason not to serve. */
  async #loadEither(resident: Resident, manifest: Manifest, runner: Runner): Promise<LoadedModel> {
    try {
      return await this.#loadInto(resident, manifest, runner);
    } catch (error) {
      if (resident.compiledFolder === undefined) throw error;
      resident.serveFrom(undefined);
      this.emit('trouble', resident.record, asModelkeepError(error, 'LOAD_FAILED'));
      if (!runner.alive) throw error;
      return this.#loadInto(resident, manifest, runner);
    }
  }

  async #loadInto(resident: Resident, manifest: Manifest, runner: Runner): Promise<LoadedModel> {
    const { segmentsFolder, threads, loneThreads } = this.#options;
    const { compiledFolder, quantized } = resident;
    const form = {
      manifest,
      segmentsFolder,
      ...(compiledFolder === undefined ? {} : { compiledFolder }),
      ...(quantized === undefined ? {} : { quantized }),
    };
    const message = { op: 'load', key: resident.record.id, threads, loneThreads, ...form } as const;
    await runner.call('prepare', { op: 'prepare' });
    const load = () => runner.call('load', message);
    const { result } = await this.#kept.around(runner, resident.record.id, load);
    resident.runners.add(runner);
    return result;
  }

  /** Gives a resident version to a runner that took another's place; never rejects. */
  #host(resident: Resident, runner: Runner): Promise<void> {
    const hosting = this.#hostUntilLoaded(resident, runner).finally(() => resident.hosting.delete(hosting));
    resident.hosting.add(hosting);
    return hosting;
  }

  async #hostUntilLoaded(resident: Resident, runner: Runner): Promise<void> {
    try {
      if (resident.manifest === undefined) return;
      await this.#options.refetch(resident);
      await this.#loadEither(resident, resident.manifest, runner);
      if (resident.state === 'ready') this.emit('hosted', resident, runner);
      // Its weights are mapped, and count as memory once a run has touched them: a budget must see them at once.
      await runner.call('warm', { op: 'warm', key: resident.record.id });
    } catch (error) {
      this.emit('trouble', resident.record, asModelkeepError(error, 'LOAD_FAILED'));
    }
  }

  /** A runner that is taken out of service, hung or ended holds nothing any more. */
  readonly #onMode = (runner: Runner): void => {
    const { mode } = runner;
    if (mode !== 'free' && mode !== 'busy')
      for (const resident of this.#options.residents()) resident.runners.delete(runner);
  };

  readonly #onJoined = (runner: Runner): void => {
    for (const resident of this.#options.residents()) {
      const { state, manifest, runners } = resident;
      if (state !== 'ready' || manifest === undefined || runners.has(runner)) continue;
      if (this.#options.pools.for(manifest).runners.includes(runner)) void this.#host(resident, runner);
    }
  };
}
