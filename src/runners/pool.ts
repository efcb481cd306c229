import { EventEmitter } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { asModelkeepError, type ModelkeepError } from '../core/index.js';
import { Runner, type RunnerCommand } from './runner.js';

/** Options of {@link openRunnerPool}. */
export interface RunnerPoolOptions {
  readonly command: RunnerCommand;
  /** Number of runner processes; at least 1. */
  readonly size: number;
}

/** What a pool tells. */
export interface RunnerPoolEvents {
  /** A runner is there, empty, at the start or in place of one that ended. */
  started: [runner: Runner];
  /** A runner ended; `error` says how. Not emitted while the pool closes. */
  ended: [runner: Runner, error: ModelkeepError];
  /** A runner was taken out of service to be renewed; it answers what is in flight and ends. */
  retired: [runner: Runner];
  /** A replacement could not be started and is tried again after a pause. */
  failed: [error: ModelkeepError];
}

/** First pause before a replacement that failed to start is tried again, in ms; it doubles up to 30 s. */
const FIRST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 30_000;
/** How long a retired runner may take to answer what is in flight, in ms. */
const RETIRE_TIMEOUT_MS = 60_000;

/** A runner that took another's place. */
export interface Replacement {
  readonly runner: Runner;
  /** Settles when the old one has answered what was in flight and ended; never rejects. */
  readonly retired: Promise<void>;
}

/** A fixed number of runner processes; one that ends is replaced. */
export class RunnerPool extends EventEmitter<RunnerPoolEvents> {
  readonly #command: RunnerCommand;
  readonly #size: number;
  #runners: Runner[] = [];
  #restarts = 0;
  readonly #retired = new WeakSet<Runner>();
  /** Processes that are being prepared or are ending: not runners of the pool, but in memory. */
  readonly #besides = new Set<Runner>();
  /** Replacements under way, so that closing leaves no process behind. */
  readonly #replacing = new Set<Promise<void>>();
  #closing: Promise<void> | undefined;
  readonly #stop = new AbortController();

  private constructor({ command, size }: RunnerPoolOptions) {
    super();
    this.#command = command;
    this.#size = size;
  }

  /** Starts all runners. @throws ModelkeepError `RUNNER_CRASHED` if one does not start; none is left running */
  static async open(options: RunnerPoolOptions): Promise<RunnerPool> {
    const { command, size } = options;
    const pool = new RunnerPool(options);
    const starts = await Promise.allSettled(Array.from({ length: size }, () => Runner.start(command)));
    const runners = starts.flatMap((start) => (start.status === 'fulfilled' ? [start.value] : []));
    const failed = starts.find((start) => start.status === 'rejected');
    if (failed !== undefined) {
      await Promise.all(runners.map((runner) => runner.close()));
      throw asModelkeepError(failed.reason, 'RUNNER_CRASHED');
    }
    for (const runner of runners) pool.#adopt(runner);
    return pool;
  }

  /** The runners that are alive. */
  get runners(): readonly Runner[] {
    return this.#runners;
  }

  /** Process ids of all that is in memory: the runners, those being prepared to take over, and those that are ending. */
  get pids(): readonly number[] {
    return [...this.#runners, ...this.#besides].map(({ pid }) => pid);
  }

  /** Runners that ended unexpectedly since the pool was opened. */
  get restarts(): number {
    return this.#restarts;
  }

  /** Runner processes that the pool keeps. */
  get size(): number {
    return this.#size;
  }

  /**
   * Puts a fresh process in the place of a runner, which serves until the fresh one does: only the end of a process
   * surely gives back what a runtime keeps. The fresh one is announced (`started`) before the old one is retired (`retired`), answers what is in flight in it, and ends.
   *
   * @param prepare makes the fresh one ready before it is announced
   * @returns the fresh one; undefined if the old one ended by itself meanwhile, which brings another in its place anyway
   * @throws ModelkeepError `RUNNER_CRASHED` if the fresh one does not start, or what `prepare` says; the old one stays
   */
  async replace(old: Runner, prepare?: (fresh: Runner) => Promise<void>): Promise<Replacement | undefined> {
    const replacing = this.#replaceAlive(old, prepare);
    // Its failure is told to the caller; closing only waits for its end.
    const ended = Promise.allSettled([replacing]).then(() => undefined);
    this.#replacing.add(ended);
    try {
      return await replacing;
    } finally {
      this.#replacing.delete(ended);
    }
  }

  async #replaceAlive(old: Runner, prepare?: (fresh: Runner) => Promise<void>): Promise<Replacement | undefined> {
    const isOver = (): boolean => this.#stop.signal.aborted || !this.#runners.includes(old);
    if (isOver()) return undefined;
    const fresh = await Runner.start(this.#command);
    this.#countUntilEnded(fresh);
    try {
      if (!isOver()) await prepare?.(fresh);
    } catch (error) {
      await fresh.close();
      throw error;
    }
    if (isOver() || !fresh.alive) {
      await fresh.close();
      return undefined;
    }
    this.#retired.add(old);
    this.#countUntilEnded(old);
    this.#besides.delete(fresh);
    this.#adopt(fresh);
    this.#runners = this.#runners.filter((runner) => runner !== old);
    this.emit('retired', old);
    const retired = old.close(RETIRE_TIMEOUT_MS);
    this.#replacing.add(retired);
    void retired.then(() => this.#replacing.delete(retired));
    return { runner: fresh, retired };
  }

  /** Ends all runners after their calls in flight; idempotent. */
  close(): Promise<void> {
    this.#closing ??= (async () => {
      this.#stop.abort();
      await Promise.all([...this.#runners.map((runner) => runner.close()), ...this.#replacing]);
      this.#runners = [];
    })();
    return this.#closing;
  }

  #countUntilEnded(runner: Runner): void {
    this.#besides.add(runner);
    void runner.exited.then(() => this.#besides.delete(runner));
  }

  #adopt(runner: Runner): void {
    this.#runners = [...this.#runners, runner];
    void runner.exited.then(() => this.#startReplacing(runner));
    this.emit('started', runner);
  }

  async #startReplacing(ended: Runner): Promise<void> {
    const replacing = this.#replace(ended);
    this.#replacing.add(replacing);
    await replacing;
    this.#replacing.delete(replacing);
  }

  async #replace(ended: Runner): Promise<void> {
    this.#runners = this.#runners.filter((runner) => runner !== ended);
    if (this.#stop.signal.aborted || this.#retired.has(ended)) return;
    this.#restarts += 1;
    this.emit('ended', ended, ended.whyGone);
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)) {
      try {
        const runner = await Runner.start(this.#command);
        if (this.#stop.signal.aborted) await runner.close();
        else this.#adopt(runner);
        return;
      } catch (error) {
        this.emit('failed', asModelkeepError(error, 'RUNNER_CRASHED'));
        // Rejects only when the pool closes, which the next line sees.
        await delay(pauseMs, undefined, { signal: this.#stop.signal }).catch(() => undefined);
        if (this.#stop.signal.aborted) return;
      }
    }
  }
}
