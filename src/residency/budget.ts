import { ModelkeepError, throwIfAborted, versionName, type Segment, type VersionRecord } from '../core/index.js';

/** What a memory budget asks and does; the residency's side of it. */
export interface BudgetParts {
  /** Largest memory of the node and its runners, in bytes. */
  readonly maxBytes: number;
  /** Memory of the node and its runners now, as the operating system counts it, in bytes. */
  readonly measure: () => Promise<number>;
  /** Who holds memory. */
  readonly holders: () => readonly BudgetHolder[];
  /** Lets a version go; resolves when its memory is back. */
  readonly evict: (id: string) => Promise<void>;
  /** Starts the runners anew: the last resort where they keep memory though nobody holds any. */
  readonly renew: () => Promise<void>;
  /** Resolves when a lease comes back; rejects when the signal fires. */
  readonly leaseBack: (signal: AbortSignal) => Promise<void>;
}

/** A version that holds memory. */
export interface BudgetHolder {
  readonly record: VersionRecord;
  /** What its runners map, in bytes. */
  readonly bytes: number;
  readonly leases: number;
  readonly pinned: boolean;
  /** True from its loading until its first lease is back: it must not go before it was of any use. */
  readonly fresh: boolean;
  /** True once it may be let go at all. */
  readonly ready: boolean;
  readonly lastUsedMs: number;
}

/** Memory set aside for a version that is being loaded. */
export interface Reservation {
  /** Ends it: the version is loaded and measured with the rest, or was given up. */
  end(): void;
}

/**
 * A bound on memory by measurement. A version is admitted when what the system counts now, what is set aside for
 * others, and what it will add are within the bound; else the least recently used version that nobody uses goes first.
 */
export class MemoryBudget {
  readonly #parts: BudgetParts;
  #reserved = 0;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(parts: BudgetParts) {
    this.#parts = parts;
  }

  /**
   * Waits until there is room for `bytes` more. One at a time, in the order of asking.
   *
   * @throws ModelkeepError `OUT_OF_BUDGET` naming the holders, if no waiting can make room; the signal's error
   */
  admit(record: VersionRecord, bytes: number, signal: AbortSignal): Promise<Reservation> {
    const admitted = this.#turn.then(() => this.#admit(record, bytes, signal));
    // The next one's turn comes however this one ends.
    this.#turn = admitted.catch(() => undefined);
    return admitted;
  }

  /** True if `bytes` more would be within the bound now. */
  async hasRoom(bytes: number): Promise<boolean> {
    return (await this.#parts.measure()) + this.#reserved + bytes <= this.#parts.maxBytes;
  }

  async #admit(record: VersionRecord, bytes: number, signal: AbortSignal): Promise<Reservation> {
    const { maxBytes, measure, holders, evict, leaseBack, renew } = this.#parts;
    if (bytes > maxBytes) throw this.#outOfBudget(record, bytes);
    for (let renewed = false; ;) {
      throwIfAborted(signal);
      const used = (await measure()) + this.#reserved;
      if (used + bytes <= maxBytes) return this.#reserve(bytes);
      const victim = leastRecentlyUsed(holders());
      if (victim !== undefined) await evict(victim.record.id);
      else if (holders().some(({ leases, fresh }) => leases > 0 || fresh)) await leaseBack(signal);
      else if (!renewed && holders().length === 0) {
        await renew();
        renewed = true;
      } else throw this.#outOfBudget(record, bytes, used);
    }
  }

  #reserve(bytes: number): Reservation {
    this.#reserved += bytes;
    let ended = false;
    return {
      end: () => {
        if (!ended) this.#reserved -= bytes;
        ended = true;
      },
    };
  }

  #outOfBudget(record: VersionRecord, bytes: number, used?: number): ModelkeepError {
    const held = this.#parts.holders().map(({ record: holder, bytes: mapped, leases, pinned }) => {
      const why = pinned ? ', pinned' : leases > 0 ? `, ${leases} in use` : '';
      return `${versionName(holder)} (${megabytes(mapped)}${why})`;
    });
    const now = used === undefined ? '' : `, ${megabytes(used)} are in use`;
    const by = held.length === 0 ? '' : ` by ${held.join(', ')}`;
    const message = `${versionName(record)} needs ${megabytes(bytes)} of memory; the budget is ${megabytes(this.#parts.maxBytes)}${now}${by}. Raise --memory-budget or unpin a version`;
    return new ModelkeepError('OUT_OF_BUDGET', message, { details: { bytes, budget: this.#parts.maxBytes, held } });
  }
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;
}

/** The version to go: ready, used at least once, not in use, not pinned; the one whose last use is longest ago. */
export function leastRecentlyUsed(holders: readonly BudgetHolder[]): BudgetHolder | undefined {
  return holders
    .filter(({ ready, fresh, leases, pinned }) => ready && !fresh && leases === 0 && !pinned)
    .toSorted((a, b) => a.lastUsedMs - b.lastUsedMs)[0];
}

/** What a version adds to memory, in bytes: what its runners map and those of no other resident version do. */
export function addedBytes(
  mapped: readonly Segment[],
  residents: readonly { readonly mapped: readonly Segment[] }[],
): number {
  const here = new Set(residents.flatMap((other) => other.mapped.map(({ digest }) => digest)));
  return mapped.reduce((sum, { digest, size }) => sum + (here.has(digest) ? 0 : size), 0);
}
