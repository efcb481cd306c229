import type { Entry } from './followed.js';

/** First and longest pause before a failed swap is tried again, in ms. */
const FIRST_RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 60_000;

/** What {@link refreshUntilCurrent} does. */
export interface RefreshParts {
  /** Resolves the reference once and takes over what is new. */
  readonly swap: () => Promise<void>;
  /** A swap failed, and is tried again. */
  readonly onFailed: (error: unknown) => void;
  /** Ends it. */
  readonly signal: AbortSignal;
}

/** Swaps until nothing has changed since it looked; after a failure again, with growing pauses. Never rejects. */
export async function refreshUntilCurrent(entry: Entry, { swap, onFailed, signal }: RefreshParts): Promise<void> {
  for (let pauseMs = FIRST_RETRY_MS; entry.again && !signal.aborted;) {
    entry.again = false;
    try {
      await swap();
      pauseMs = FIRST_RETRY_MS;
    } catch (error) {
      if (signal.aborted) return;
      onFailed(error);
      entry.again = true;
      // A change, or the store's return, is a reason to try at once.
      const woken = await pause(entry, pauseMs);
      pauseMs = woken ? FIRST_RETRY_MS : Math.min(2 * pauseMs, LONGEST_RETRY_MS);
    }
  }
}

/** Waits; true if something ended it early. */
function pause(entry: Entry, ms: number): Promise<boolean> {
  return new Promise((resolve) => {
    const end = (woken: boolean): void => {
      clearTimeout(timer);
      entry.wake = undefined;
      resolve(woken);
    };
    const timer = setTimeout(end, ms, false).unref();
    entry.wake = () => end(true);
  });
}
