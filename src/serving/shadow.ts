import { EventEmitter, setMaxListeners } from 'node:events';
import { asModelkeepError, type ModelkeepError, type VersionRecord } from '../core/index.js';
import type { Lease, Residency } from '../residency/index.js';
import type { Runner, RunnerEmitter } from '../runners/index.js';
import { agree } from './agreement.js';
import type { Answered, TensorWork, TextWork } from './queue.js';
import { Scheduler } from './scheduler.js';

/** What became of one comparison. */
export interface ShadowReport {
  readonly reference: string;
  /** The version that answered. */
  readonly record: VersionRecord;
  /** The version that was compared. */
  readonly shadow: VersionRecord;
  /** `dropped`: too many were waiting, so that this one was not compared. */
  readonly outcome: 'same' | 'different' | 'failed' | 'dropped';
  /** Why it failed. */
  readonly error?: ModelkeepError;
}

/** Where shadows run: processes of their own, so that no answer ever waits for a comparison. */
export interface ShadowPlace {
  /** Over runners that answer nobody. */
  readonly residency: Residency;
  readonly runners: () => readonly Runner[];
  /** Where these runners tell what happens to them. */
  readonly events: RunnerEmitter;
}

/** What {@link Shadow} is made of. */
export interface ShadowOptions {
  /** Opens the place when there is something to compare first; what it opens is borrowed. */
  readonly open: () => Promise<ShadowPlace>;
  /** Comparisons that may wait or run; the next one is dropped. @defaultValue 64 */
  readonly maxWaiting?: number;
}

/** A request that was answered, to be asked again. */
export interface Asked {
  readonly reference: string;
  readonly record: VersionRecord;
  /** What to ask a version. */
  readonly workFor: (record: VersionRecord) => TextWork | TensorWork;
  readonly answered: Answered;
}

/** A place with the queue for it. */
interface Opened extends ShadowPlace {
  readonly scheduler: Scheduler;
}

const MAX_WAITING = 64;

/** Asks shadow versions what others have answered, and compares. */
export class Shadow extends EventEmitter<{ compared: [ShadowReport] }> {
  readonly #options: ShadowOptions;
  readonly #maxWaiting: number;
  readonly #stop = new AbortController();
  readonly #running = new Set<Promise<void>>();
  #opening: Promise<Opened> | undefined;
  #opened: Opened | undefined;

  constructor(options: ShadowOptions) {
    super();
    this.#options = options;
    this.#maxWaiting = options.maxWaiting ?? MAX_WAITING;
    // Each comparison listens to it, more than once.
    setMaxListeners(0, this.#stop.signal);
  }

  /** Has a request compared in its own time. Never throws and never waits. */
  offer(shadow: VersionRecord, asked: Asked): void {
    if (this.#stop.signal.aborted) return;
    if (this.#running.size >= this.#maxWaiting) {
      this.#tell(shadow, asked, { outcome: 'dropped' });
      return;
    }
    const running = this.#compare(shadow, asked).finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  /** Lets versions go that shadow nothing any more. */
  keepOnly(wanted: ReadonlySet<string>): void {
    const { residency } = this.#opened ?? {};
    for (const { record } of residency?.residents ?? []) if (!wanted.has(record.id)) void residency?.release(record.id);
  }

  /** Ends all comparisons. Idempotent. */
  async close(): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#running);
  }

  async #open(): Promise<Opened> {
    const place = await this.#options.open();
    const { residency, runners, events } = place;
    const scheduler = new Scheduler({
      limits: {
        maxQueue: this.#maxWaiting,
        maxBatchRequests: 8,
        maxBatchTokens: 2_048,
        maxQueueMs: 0,
        requestTimeoutMs: 0,
      },
      runners,
      events,
      onRun: ({ resident }) => residency.answered(resident),
      onCrash: ({ record }, error) => residency.blame(record, error),
    });
    residency.on('hosted', () => scheduler.dispatch());
    this.#opened = { ...place, scheduler };
    return this.#opened;
  }

  async #place(): Promise<Opened> {
    this.#opening ??= this.#open();
    try {
      return await this.#opening;
    } catch (error) {
      // The next comparison tries again.
      this.#opening = undefined;
      throw error;
    }
  }

  async #compare(shadow: VersionRecord, asked: Asked): Promise<void> {
    const { signal } = this.#stop;
    let lease: Lease | undefined;
    try {
      const { residency, scheduler } = await this.#place();
      lease = await residency.acquire(shadow, { signal });
      const answered = await scheduler.submit(lease.resident, asked.workFor(shadow), { signal });
      this.#tell(shadow, asked, { outcome: agree(asked.answered, answered) ? 'same' : 'different' });
    } catch (thrown) {
      if (!signal.aborted) this.#tell(shadow, asked, { outcome: 'failed', error: asModelkeepError(thrown) });
    } finally {
      lease?.release();
    }
  }

  #tell(shadow: VersionRecord, { reference, record }: Asked, found: Pick<ShadowReport, 'outcome' | 'error'>): void {
    this.emit('compared', { reference, record, shadow, ...found });
  }
}
