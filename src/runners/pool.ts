import { EventEmitter } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { asModelkeepError, ModelkeepError } from '../core/index.js';
import { Runner, type RunnerCommand, type RunnerEmitter } from './runner.js';

/** Options of {@link RunnerPool}. */
export interface RunnerPoolOptions {
  readonly command: RunnerCommand;
  /** Number of runner processes; at least 1. */
  readonly size: number;
  /** Where the runners tell what happens to them. @defaultValue an emitter of this pool alone, {@link RunnerPool.events} */
  readonly events?: RunnerEmitter | undefined;
}

/** First pause before a runner that failed to start is tried again, in ms; it doubles up to 30 s. */
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

/**
 * A number of runner processes. One that hangs or ends is replaced, with growing pauses where the system has no process,
 * memory or file descriptor left for another. The processes are started by {@link open}, and not before.
 */
export class RunnerPool {
  /** Where the runners tell what happens to them. */
  readonly events: RunnerEmitter;
  readonly #command: RunnerCommand;
  readonly #size: number;
  #runners: readonly Runner[] = [];
  #opening: Promise<void> | undefined;
  #restarts = 0;
  #hung = 0;
  /** Processes that are being prepared or are ending: not runners of the pool, but in memory. */
  readonly #besides = new Set<Runner>();
  /** Starts and ends under way, so that closing leaves no process behind. */
  readonly #changing = new Set<Promise<unknown>>();
  #closing: Promise<void> | undefined;
  readonly #stop = new AbortController();

  constructor({ command, size, events = new EventEmitter() }: RunnerPoolOptions) {
    this.#command = command;
    this.#size = size;
    this.events = events;
    events.on('mode', this.#onMode);
  }

  /** Makes a pool and starts its runners. @throws ModelkeepError as {@link open} */
  static async open(options: RunnerPoolOptions): Promise<RunnerPool> {
    const pool = new RunnerPool(options);
    try {
      await pool.open();
      return pool;
    } catch (error) {
      await pool.close();
      throw error;
    }
  }

  /**
   * Starts all runners, once; after a failure it can be tried again.
   *
   * @throws ModelkeepError `RUNNER_CRASHED` if one does not start, and none is left running; `CLOSED`
   */
  async open(): Promise<void> {
    this.#throwIfClosed();
    this.#opening ??= this.#during(this.#open());
    try {
      await this.#opening;
    } catch (error) {
      this.#opening = undefined;
      throw error;
    }
  }

  /** The runners that serve; none before {@link open}. */
  get runners(): readonly Runner[] {
    return this.#runners;
  }

  /** Process ids of all that is in memory: the runners, those being prepared to take over, and those that are ending. */
  get pids(): readonly number[] {
    return [...this.#runners, ...this.#besides].map(({ pid }) => pid);
  }

  /** Runners that hung or ended unexpectedly since the pool was opened. */
  get restarts(): number {
    return this.#restarts;
  }

  /** Runners that hung since the pool was opened. */
  get hung(): number {
    return this.#hung;
  }

  /** Runner processes that the pool keeps. */
  get size(): number {
    return this.#size;
  }

  /** Runners that should serve and do not, because they hung or ended and another is not there yet; 0 before {@link open}. */
  get missing(): number {
    const isOpen = this.#opening !== undefined && !this.#stop.signal.aborted;
    return isOpen ? Math.max(0, this.#size - this.#runners.length) : 0;
  }

  /**
   * Puts a fresh process in the place of a runner, which serves until the fresh one does: only the end of a process
   * surely gives back what a runtime keeps. The old one answers what is in flight in it and ends.
   *
   * @param prepare makes the fresh one ready before it serves
   * @returns the fresh one; undefined if the old one ended by itself meanwhile, which brings another in its place anyway
   * @throws ModelkeepError `RUNNER_CRASHED` if the fresh one does not start, or what `prepare` says; the old one stays
   */
  replace(old: Runner, prepare?: (fresh: Runner) => Promise<void>): Promise<Replacement | undefined> {
    return this.#during(this.#replace(old, prepare));
  }

  /** Ends all runners after their calls in flight; idempotent. */
  close(): Promise<void> {
    this.#closing ??= (async () => {
      this.#stop.abort();
      await Promise.allSettled([...this.#runners.map((runner) => runner.close()), ...this.#changing]);
      this.#runners = [];
      this.events.off('mode', this.#onMode);
    })();
    return this.#closing;
  }

  async #open(): Promise<void> {
    const starts = await Promise.allSettled(Array.from({ length: this.#size }, () => this.#start()));
    const runners = starts.flatMap((start) => (start.status === 'fulfilled' ? [start.value] : []));
    const failed = starts.find((start) => start.status === 'rejected');
    if (failed !== undefined || this.#stop.signal.aborted) {
      await Promise.all(runners.map((runner) => runner.close()));
      this.#throwIfClosed();
      throw asModelkeepError(failed?.reason, 'RUNNER_CRASHED');
    }
    for (const runner of runners) this.#join(runner);
    // What ended before its fellows were there is made up for like any other.
    this.#refill();
  }

  async #replace(old: Runner, prepare?: (fresh: Runner) => Promise<void>): Promise<Replacement | undefined> {
    const isOver = (): boolean => this.#stop.signal.aborted || !this.#runners.includes(old);
    if (isOver()) return undefined;
    const fresh = await this.#start();
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
    this.#join(fresh);
    this.#runners = this.#runners.filter((runner) => runner !== old);
    this.#countUntilEnded(old);
    return { runner: fresh, retired: this.#during(old.close(RETIRE_TIMEOUT_MS)) };
  }

  async #start(): Promise<Runner> {
    const runner = await Runner.start(this.#command, this.events);
    this.#countUntilEnded(runner);
    return runner;
  }

  #countUntilEnded(runner: Runner): void {
    this.#besides.add(runner);
    void runner.exited.then(() => this.#besides.delete(runner));
  }

  #join(runner: Runner): void {
    this.#besides.delete(runner);
    if (!runner.alive) return;
    this.#runners = [...this.#runners, runner];
    this.events.emit('joined', runner);
  }

  readonly #onMode = (runner: Runner): void => {
    if (runner.alive || !this.#runners.includes(runner)) return;
    this.#runners = this.#runners.filter((one) => one !== runner);
    this.#countUntilEnded(runner);
    if (this.#stop.signal.aborted) return;
    this.#restarts += 1;
    if (runner.mode === 'hung') this.#hung += 1;
    this.#refill();
  };

  #refill(): void {
    for (let missing = this.missing - this.#refilling; missing > 0; missing -= 1)
      void this.#during(this.#startAnother());
  }

  /** Runners that are being started in the place of others. */
  #refilling = 0;

  async #startAnother(): Promise<void> {
    this.#refilling += 1;
    try {
      const runner = await this.#startAtLast();
      if (this.#stop.signal.aborted) await runner?.close();
      else if (runner !== undefined) this.#join(runner);
    } finally {
      this.#refilling -= 1;
    }
    // It may have ended before it joined.
    this.#refill();
  }

  async #startAtLast(): Promise<Runner | undefined> {
    const { signal } = this.#stop;
    for (let pauseMs = FIRST_PAUSE_MS; !signal.aborted; pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)) {
      try {
        return await this.#start();
      } catch (error) {
        this.events.emit('failed', asModelkeepError(error, 'RUNNER_CRASHED'));
        // Rejects only when the pool closes, which the loop sees.
        await delay(pauseMs, undefined, { signal }).catch(() => undefined);
      }
    }
    return undefined;
  }

  /** Keeps what is under way, so that closing waits for its end. */
  async #during<T>(work: Promise<T>): Promise<T> {
    this.#changing.add(work);
    try {
      return await work;
    } finally {
      this.#changing.delete(work);
    }
  }

  #throwIfClosed(): void {
    if (this.#stop.signal.aborted) throw new ModelkeepError('CLOSED', 'This pool of runners is closed');
  }
}
