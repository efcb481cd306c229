import { setTimeout as delay } from 'node:timers/promises';
import { asModelkeepError } from '../core/index.js';

/** Shortest pause that is worth a timer, in ms; shorter ones add up until they are. */
const MIN_PAUSE_MS = 20;

/**
 * Keeps a stream of bytes to a rate: call it with the bytes that were just read; it resolves when the next may be.
 *
 * @param bytesPerSecond undefined: no bound
 */
export function throttle(bytesPerSecond?: number): (bytes: number, signal?: AbortSignal) => Promise<void> {
  if (bytesPerSecond === undefined) return () => Promise.resolve();
  /** When all that was read would have been read at the rate. */
  let dueMs = performance.now();
  return async (bytes, signal) => {
    const now = performance.now();
    dueMs = Math.max(dueMs, now) + (1_000 * bytes) / bytesPerSecond;
    if (dueMs - now < MIN_PAUSE_MS) return;
    try {
      await delay(dueMs - now, undefined, signal === undefined ? {} : { signal });
    } catch (error) {
      throw asModelkeepError(signal?.reason ?? error, 'CANCELLED');
    }
  };
}
