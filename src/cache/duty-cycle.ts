import { setTimeout as delay } from 'node:timers/promises';
import { throwIfAborted, type Rest } from '../core/index.js';

/** What {@link DutyCycle} is made of. */
export interface DutyCycleOptions {
  /** The share of the machine's processors that is busy with what is more urgent, 0 to 1. */
  readonly busy: () => number;
  /** Processor time of this process so far, in ms. @defaultValue what the system says */
  readonly spentMs?: () => number;
}

/**
 * How many times as long as it worked the background rests while all processors are busy: it then takes a quarter of one
 * processor, by which no request takes a third longer.
 */
const REST_PER_WORK = 3;
/** Work for which no rest is taken, in ms: timers are no finer. */
const LEAST_WORK_MS = 3;
/** Longest work for which rest is taken at once, in ms: what was spent before the background began is not its own. */
const MOST_WORK_MS = 20;

function spentByProcess(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}

/**
 * Keeps what this process does in the background to a share of a processor while requests are run, and to no share where
 * nobody asks. All pieces are counted together, whichever work they belong to: what several do at the same time is as
 * much in the way as if one did it.
 */
export class DutyCycle {
  readonly #busy: () => number;
  readonly #spentMs: () => number;
  /** Processor time for which rest was taken or is being taken. */
  #settledMs: number;
  /** When that rest is over, in ms of the monotonic clock. */
  #untilMs = 0;
  /** The last rest that somebody rose from. */
  #rosenFromMs = 0;

  constructor({ busy, spentMs = spentByProcess }: DutyCycleOptions) {
    this.#busy = busy;
    this.#spentMs = spentMs;
    this.#settledMs = spentMs();
  }

  /** To be awaited after each piece of work; see `Rest`. */
  readonly rest: Rest = async ({ signal } = {}) => {
    throwIfAborted(signal);
    this.#charge();
    for (let now = performance.now(); now < this.#untilMs; now = performance.now()) {
      // Rejects only when the signal fires, which the next line tells.
      await delay(this.#untilMs - now, undefined, { signal }).catch(() => undefined);
      throwIfAborted(signal);
    }
    if (this.#rosenFromMs === this.#untilMs) return;
    this.#rosenFromMs = this.#untilMs;
    // What was served meanwhile is not the background's.
    this.#settledMs = this.#spentMs();
  };

  /** Rest for the work since the last one, longer where others rest already. */
  #charge(): void {
    const now = performance.now();
    const spentMs = this.#spentMs();
    const workMs = Math.min(spentMs - this.#settledMs, MOST_WORK_MS);
    if (now >= this.#untilMs && workMs < LEAST_WORK_MS) return;
    this.#settledMs = spentMs;
    this.#untilMs = Math.max(now, this.#untilMs) + REST_PER_WORK * workMs * this.#busy();
  }
}
