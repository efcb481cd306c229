import { EventEmitter } from 'node:events';
import { ModelkeepError } from '../core/index.js';
import { RunnerPool, type Replacement, type RunnerPoolEvents, type RunnerPoolOptions } from './pool.js';
import type { Runner } from './runner.js';

/** A pool whose processes are started when they are needed first, and never before. */
export class LazyRunnerPool extends EventEmitter<RunnerPoolEvents> {
  readonly #options: RunnerPoolOptions;
  #pool: RunnerPool | undefined;
  #opening: Promise<void> | undefined;
  #closed = false;

  constructor(options: RunnerPoolOptions) {
    super();
    this.#options = options;
  }

  /** The runners that are alive; none before {@link open}. */
  get runners(): readonly Runner[] {
    return this.#pool?.runners ?? [];
  }

  /** Process ids of all that is in memory; see {@link RunnerPool.pids}. */
  get pids(): readonly number[] {
    return this.#pool?.pids ?? [];
  }

  /** Runners that ended unexpectedly since the pool was opened. */
  get restarts(): number {
    return this.#pool?.restarts ?? 0;
  }

  /** Starts the runners, once; after a failure it can be tried again. @throws ModelkeepError `RUNNER_CRASHED`, `CLOSED` */
  async open(): Promise<void> {
    if (this.#closed) throw new ModelkeepError('CLOSED', 'This pool of runners is closed');
    this.#opening ??= this.#open();
    try {
      await this.#opening;
    } catch (error) {
      this.#opening = undefined;
      throw error;
    }
  }

  /** Puts a fresh process in the place of a runner. @returns and @throws as {@link RunnerPool.replace} */
  async replace(old: Runner, prepare?: (fresh: Runner) => Promise<void>): Promise<Replacement | undefined> {
    return this.#pool?.replace(old, prepare);
  }

  /** Ends all runners after their calls in flight; idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    // A start under way ends in #open, which sees that this is closed.
    await Promise.allSettled([this.#opening]);
    await this.#pool?.close();
  }

  async #open(): Promise<void> {
    const pool = await RunnerPool.open(this.#options);
    if (this.#closed) {
      await pool.close();
      throw new ModelkeepError('CLOSED', 'This pool of runners was closed while it was opened');
    }
    this.#pool = pool;
    pool.on('started', (runner) => this.emit('started', runner));
    pool.on('ended', (runner, error) => this.emit('ended', runner, error));
    pool.on('retired', (runner) => this.emit('retired', runner));
    pool.on('failed', (error) => this.emit('failed', error));
    for (const runner of pool.runners) this.emit('started', runner);
  }
}
