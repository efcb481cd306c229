import { anonymousMemory, type Runner } from '../runners/index.js';

/** What is known of one runner, in bytes. */
interface RunnerMemory {
  /** What it had before its first version. */
  readonly empty: number;
  /** What it grew by with each version that it holds. */
  readonly grownBy: Map<string, number>;
}

/**
 * Tells how much memory a runner keeps that no version in it accounts for: what a runtime does not give back when a
 * version leaves. Weights that are mapped from files are not among it; they go with their mappings.
 */
export class KeptMemory {
  readonly #known = new WeakMap<Runner, RunnerMemory>();
  readonly #measure: (pid: number) => Promise<number | undefined>;

  /** @param measure memory of a process that no file backs, in bytes. @defaultValue what the system says */
  constructor(measure: (pid: number) => Promise<number | undefined> = anonymousMemory) {
    this.#measure = measure;
  }

  /** Runs `load`, which brings a version into a runner, and takes down what the runner grew by. */
  async around<T>(runner: Runner, id: string, load: () => Promise<T>): Promise<T> {
    const before = await this.#measure(runner.pid);
    const result = await load();
    const after = await this.#measure(runner.pid);
    if (before === undefined || after === undefined) return result;
    const known = this.#known.get(runner) ?? { empty: before, grownBy: new Map<string, number>() };
    this.#known.set(runner, known);
    known.grownBy.set(id, Math.max(0, after - before));
    return result;
  }

  /** A version has left a runner. */
  left(runner: Runner, id: string): void {
    this.#known.get(runner)?.grownBy.delete(id);
  }

  /** Bytes that a runner had when it was empty, and that its versions brought; 0 if unknown. */
  heldBy(runner: Runner): number {
    const known = this.#known.get(runner);
    return known === undefined ? 0 : [...known.grownBy.values()].reduce((sum, bytes) => sum + bytes, known.empty);
  }

  /** Bytes that a runner keeps beyond what it had when it was empty and what its versions brought; 0 if unknown. */
  async of(runner: Runner): Promise<number> {
    const known = this.#known.get(runner);
    const now = known === undefined ? undefined : await this.#measure(runner.pid);
    if (known === undefined || now === undefined) return 0;
    return Math.max(0, now - this.heldBy(runner));
  }
}
