import { once, type EventEmitter } from 'node:events';
import { asModelkeepError, openDeadline, throwIfAborted, type VersionRecord } from '../core/index.js';
import { proportionalMemory } from '../runners/index.js';
import { MemoryBudget, type Reservation } from './budget.js';
import type { Hosting } from './hosting.js';
import type { EvictionReason, ResidencyEvents, ResidencyOptions } from './options.js';
import type { Pools } from './pools.js';
import type { Resident } from './resident.js';

/** What {@link Room} works with; the residency's side of it. */
export interface RoomParts {
  readonly options: ResidencyOptions;
  readonly pools: Pools;
  readonly hosting: Hosting;
  /** The versions that are not absent. */
  readonly residents: () => readonly Resident[];
  readonly isPinned: (id: string) => boolean;
  /** Lets a version go; resolves when its memory is back. */
  readonly release: (id: string) => Promise<void>;
  /** Told of evictions and of memory that came back; tells of leases that did. */
  readonly events: EventEmitter<ResidencyEvents>;
}

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

/** Room in memory: measures it, lets versions go that nobody uses, and gets back what runners keep. */
export class Room {
  readonly #parts: RoomParts;
  readonly #budget: MemoryBudget | undefined;
  readonly #idleTimer: NodeJS.Timeout | undefined;

  constructor(parts: RoomParts) {
    this.#parts = parts;
    const { memoryBudget = 0, idleUnloadMs = 0 } = parts.options;
    this.#budget = memoryBudget === 0 ? undefined : this.#openBudget(memoryBudget);
    if (idleUnloadMs > 0)
      this.#idleTimer = setInterval(() => this.#evictIdle(idleUnloadMs), idleUnloadMs / IDLE_CHECKS).unref();
  }

  /** Memory of this process and its runners now, by proportional set size, in bytes. */
  memory(): Promise<number> {
    const { options, pools } = this.#parts;
    return proportionalMemory([process.pid, ...(options.alsoMeasured?.() ?? []), ...pools.pids]);
  }

  /** True if `bytes` more would be within the bound now, or there is none. */
  async has(bytes: number): Promise<boolean> {
    return (await this.#budget?.hasRoom(bytes)) ?? true;
  }

  /** True if one more process, with so many bytes of its own, would be within the bound for a moment. */
  hasForProcess(bytes = 0): Promise<boolean> {
    return this.has(PROCESS_BYTES + bytes);
  }

  /** Waits until there is room for `bytes` more; undefined without a bound. @throws as {@link MemoryBudget.admit} */
  async admit(record: VersionRecord, bytes: number, signal: AbortSignal): Promise<Reservation | undefined> {
    return this.#budget?.admit(record, bytes, signal);
  }

  /** Looks for idle versions no longer. */
  close(): void {
    clearInterval(this.#idleTimer);
  }

  #openBudget(maxBytes: number): MemoryBudget {
    const { residents, isPinned, events } = this.#parts;
    return new MemoryBudget({
      maxBytes,
      measure: () => this.memory(),
      holders: () =>
        residents()
          .filter(({ state }) => state !== 'failed' && state !== 'fetching')
          .map(({ record, mapped, leases, fresh, state, lastUsedMs }) => {
            const bytes = mapped.reduce((sum, { size }) => sum + size, 0);
            return { record, bytes, leases, fresh, lastUsedMs, pinned: isPinned(record.id), ready: state === 'ready' };
          }),
      evict: (id) => this.#evict(id, 'budget'),
      renew: () => this.#renew(),
      leaseBack: async (signal) => {
        const soon = openDeadline(LOOK_AGAIN_MS, signal);
        const returned = once(events, 'returned', { signal: soon.signal }).catch(() => throwIfAborted(signal));
        await returned.finally(() => soon.clear());
      },
    });
  }

  /** Relieves runners that keep memory of versions that were let go, one of `size` bytes just now. */
  async reclaim({ size }: VersionRecord): Promise<void> {
    const { options, hosting, events } = this.#parts;
    const mayKeep = (bytes: number): number => options.keptBytes ?? Math.max(bytes, KEPT_SHARE * size);
    try {
      const bytes = await hosting.reclaim({
        onnx: mayKeep(KEPT_BYTES.onnx),
        pickles: mayKeep(KEPT_BYTES.pickles),
      });
      if (bytes > 0) events.emit('renewed', bytes);
    } catch (error) {
      // The runners serve on as they are; the next version that leaves has it tried again.
      events.emit('not-renewed', asModelkeepError(error));
    }
  }

  /** Starts the runners anew when they keep memory of versions that were let go. */
  async #renew(): Promise<void> {
    const before = await this.memory();
    await this.#parts.hosting.renew();
    this.#parts.events.emit('renewed', before - (await this.memory()));
  }

  async #evict(id: string, why: EvictionReason): Promise<void> {
    const { residents, events, release } = this.#parts;
    const resident = residents().find(({ record, state }) => record.id === id && state === 'ready');
    if (resident === undefined) return;
    events.emit('evicted', resident.record, why);
    await release(id);
  }

  #evictIdle(idleUnloadMs: number): void {
    const { residents, isPinned } = this.#parts;
    const before = performance.now() - idleUnloadMs;
    for (const { record, state, leases, fresh, lastUsedMs } of residents()) {
      const isIdle = state === 'ready' && leases === 0 && !fresh && lastUsedMs < before;
      if (isIdle && !isPinned(record.id)) void this.#evict(record.id, 'idle');
    }
  }
}
