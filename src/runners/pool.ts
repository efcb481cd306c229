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

/** A fixed number of runner processes; one that ends is replaced. */
export class RunnerPool extends EventEmitter<RunnerPoolEvents> {
  readonly #command: RunnerCommand;
  #runners: Runner[] = [];
  #restarts = 0;
  readonly #retired = new WeakSet<Runner>();
  /** Replacements under way, so that closing leaves no process behind. */
  readonly #replacing = new Set<Promise<void>>();
  #closing: Promise<void> | undefined;
  readonly #stop = new AbortController();

  private constructor(command: RunnerCommand) {
    super();
    this.#command = command;
  }

  /** Starts all runners. @throws ModelkeepError `RUNNER_CRASHED` if one does not start; none is left running */
  static async open({ command, size }: RunnerPoolOptions): Promise<RunnerPool> {
    const pool = new RunnerPool(command);
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

  /** Runners that ended unexpectedly since the pool was opened. */
  get restarts(): number {
    return this.#restarts;
  }

  /**
   * Puts a fresh process in the place of each runner, one after the other: only the end of a process surely gives back
   * what a runtime keeps. A fresh one is announced (`started`) before the old one is retired.
   *
   * @throws ModelkeepError `RUNNER_CRASHED` if a fresh one does not start; the old one then stays
   */
  async renew(): Promise<void> {
    const renewing = this.#renewEach();
    // Its failure is told to the caller; closing only waits for its end.
    const ended = Promise.allSettled([renewing]).then(() => undefined);
    this.#replacing.add(ended);
    try {
      await renewing;
    } finally {
      this.#replacing.delete(ended);
    }
  }

  async #renewEach(): Promise<void> {
    for (const old of this.#runners) {
      if (this.#stop.signal.aborted) return;
      if (!this.#runners.includes(old)) continue;
      const fresh = await Runner.start(this.#command);
      // This pool was closed meanwhile, or the old one ended by itself, which brings another in its place anyway.
      if (this.#stop.signal.aborted || !this.#runners.includes(old)) {
        await fresh.close();
        continue;
      }
      this.#retired.add(old);
      this.#adopt(fresh);
      this.#runners = this.#runners.filter((runner) => runner !== old);
      this.emit('retired', old);
      await old.close(RETIRE_TIMEOUT_MS);
    }
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
