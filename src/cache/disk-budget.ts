/** Something in the cache that could be removed. */
export interface Kept {
  /** Bytes on disk that it takes; what several share is divided among them. */
  readonly bytes: number;
  /** When it was last used, in ms since the epoch. */
  readonly usedMs: number;
  /** True if a version in use here needs it: it stays, even beyond the bound. */
  readonly inUse: boolean;
  readonly remove: () => Promise<void>;
}

/** Lists what one part of the cache keeps. */
export type ListKept = () => Promise<readonly Kept[]>;

/**
 * The bound on what a node's cache takes of the disk: segments, derived tensors, compiled forms and Python environments together. What was
 * used longest ago goes first, of whatever kind.
 */
export class DiskBudget {
  readonly #maxBytes: number;
  readonly #parts: ListKept[] = [];
  /** One at a time: two that count at once would both remove what one need not. */
  #turn: Promise<void> = Promise.resolve();

  /** @param maxBytes bytes on disk; `0`: keep only what is in use */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Has a part of the cache counted with the others. */
  add(list: ListKept): void {
    this.#parts.push(list);
  }

  /**
   * Removes what was used longest ago until the bound holds; never what is in use here.
   *
   * @throws what listing or removing says
   */
  enforce(): Promise<void> {
    const enforced = this.#turn.then(() => this.#enforce());
    // The next one's turn comes however this one ends.
    this.#turn = enforced.catch(() => undefined);
    return enforced;
  }

  async #enforce(): Promise<void> {
    const kept = (await Promise.all(this.#parts.map((list) => list()))).flat();
    let bytes = kept.reduce((sum, one) => sum + one.bytes, 0);
    for (const one of kept.toSorted((a, b) => a.usedMs - b.usedMs)) {
      if (bytes <= this.#maxBytes) return;
      if (one.inUse) continue;
      await one.remove();
      bytes -= one.bytes;
    }
  }
}
