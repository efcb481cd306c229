import { ModelkeepError } from './errors.js';

/** Longest time of a timer, in ms (25 days): a longer one would fire at once. */
const LONGEST_TIMER_MS = 2_147_483_647;

/** Until when something may be worked on, such as one request. */
export interface Deadline {
  /** Fires when the caller gives up or the time is over. */
  readonly signal: AbortSignal;
  /** By `performance.now()`; `Infinity`: no limit. */
  readonly deadlineMs: number;
  /** Ends the timer; to be called when the work is over. */
  clear(): void;
}

/**
 * The caller's signal joined with the time limit. Not `AbortSignal.timeout`: its timers outlive the requests, and joined
 * by `AbortSignal.any` it never fires once the engine has collected it, which Node.js 20 does while somebody listens.
 *
 * @param timeoutMs from now; `0`: no limit
 * @throws ModelkeepError `INVALID_INPUT` if `timeoutMs` is no such number
 */
export function openDeadline(timeoutMs: number, signal: AbortSignal | undefined): Deadline {
  if (!Number.isFinite(timeoutMs) || timeoutMs < 0) {
    throw new ModelkeepError(
      'INVALID_INPUT',
      `timeoutMs is ${timeoutMs}: give a positive number of milliseconds, or 0 for no limit`,
    );
  }
  const controller = new AbortController();
  const giveUp = (): void => controller.abort(signal?.reason);
  const tooLate = (): void =>
    controller.abort(new ModelkeepError('DEADLINE_EXCEEDED', `The request was not answered within ${timeoutMs} ms`));
  if (signal?.aborted === true) giveUp();
  signal?.addEventListener('abort', giveUp, { once: true });
  const isBounded = timeoutMs > 0 && timeoutMs <= LONGEST_TIMER_MS;
  const timer = isBounded ? setTimeout(tooLate, timeoutMs) : undefined;
  const clear = (): void => {
    signal?.removeEventListener('abort', giveUp);
    clearTimeout(timer);
  };
  const deadlineMs = timeoutMs === 0 ? Number.POSITIVE_INFINITY : performance.now() + timeoutMs;
  return { signal: controller.signal, deadlineMs, clear };
}
