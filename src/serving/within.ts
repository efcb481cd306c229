import { once } from 'node:events';
import { throwIfAborted } from '../core/index.js';

/** Waits for `work`, at most until the signal fires. @throws ModelkeepError the signal's */
export async function within(work: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
  if (signal === undefined) return work;
  const given = new AbortController();
  try {
    await Promise.race([work, once(signal, 'abort', { signal: given.signal })]);
    throwIfAborted(signal);
  } finally {
    given.abort();
  }
}
