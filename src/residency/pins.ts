/** Versions that are kept from eviction, each as long as anybody holds a pin on it. */
export class Pins {
  readonly #held = new Map<string, number>();

  /** Pins a version until the returned function is called; calling that twice is no error. */
  add(id: string): () => void {
    this.#held.set(id, (this.#held.get(id) ?? 0) + 1);
    let held = true;
    return () => {
      const left = (this.#held.get(id) ?? 0) - 1;
      if (held && left > 0) this.#held.set(id, left);
      else if (held) this.#held.delete(id);
      held = false;
    };
  }

  /** True while a version is pinned. */
  has(id: string): boolean {
    return this.#held.has(id);
  }
}
