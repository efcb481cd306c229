import type { EntryName, StoredEntry, VersionStore } from '../core/index.js';

/**
 * A lease in a store: of several processes, one holds it. Nobody compares clocks: a lease is free when its entry was not
 * renewed while the observer's own monotonic clock went on by its term, so clocks that differ or jump do no harm.
 */
export class StoreLease {
  readonly #store: VersionStore;
  readonly #name: EntryName;
  readonly #holder: string;
  readonly #termMs: number;
  #renewedMs = Number.NEGATIVE_INFINITY;
  #seen: { readonly entry: StoredEntry; readonly sinceMs: number } | undefined;

  /**
   * @param holder unique to this process
   * @param termMs how long it holds without being renewed; renew at least three times in it
   */
  constructor(store: VersionStore, name: EntryName, holder: string, termMs: number) {
    this.#store = store;
    this.#name = name;
    this.#holder = holder;
    this.#termMs = termMs;
  }

  /** True while nobody else can have taken it: two thirds of its term since the last renewal began. */
  get held(): boolean {
    return performance.now() - this.#renewedMs < (2 * this.#termMs) / 3;
  }

  /** Takes or renews it if that is possible; true if it is held then. @throws ModelkeepError what the store says */
  async hold(): Promise<boolean> {
    const beganMs = performance.now();
    const entry = await this.#store.readEntry(this.#name);
    if (entry !== undefined && !this.#isFree(entry, beganMs)) return false;
    const value = { holder: this.#holder };
    const taken = await this.#store.writeEntry({ ...this.#name, value, expect: entry?.revision ?? null });
    this.#seen = undefined;
    this.#renewedMs = taken === undefined ? Number.NEGATIVE_INFINITY : beganMs;
    return this.held;
  }

  /** Gives it back, if it is held, so that others need not wait for its end. */
  async release(): Promise<void> {
    if (!this.held) return;
    this.#renewedMs = Number.NEGATIVE_INFINITY;
    const entry = await this.#store.readEntry(this.#name);
    // Not removed: revisions begin anew then, and an observer could take the next holder's for the one before.
    if (entry?.value.holder === this.#holder) {
      await this.#store.writeEntry({ ...this.#name, value: { holder: '' }, expect: entry.revision });
    }
  }

  #isFree(entry: StoredEntry, nowMs: number): boolean {
    const { holder } = entry.value;
    if (holder === this.#holder || holder === '') return true;
    if (this.#seen?.entry.revision !== entry.revision) this.#seen = { entry, sinceMs: nowMs };
    this.#renewedMs = Number.NEGATIVE_INFINITY;
    return nowMs - this.#seen.sinceMs > this.#termMs;
  }
}
