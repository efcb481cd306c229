import { ModelkeepError, throwIfAborted } from '../core/index.js';

/** The work that a store has in progress: what closing it ends and waits for. */
export interface Work {
  /** @throws ModelkeepError `CLOSED` after {@link Work.end} began, or what `signal` says if it fired */
  check(signal?: AbortSignal): void;
  /** Runs a step that ends before anything else happens; its errors become ours. */
  step<T>(task: () => T, signal?: AbortSignal): T;
  /** Runs work that takes long, with a signal that fires when `signal` does or the store is closed; errors stay. */
  run<T>(task: (signal: AbortSignal) => Promise<T>, signal?: AbortSignal): Promise<T>;
  /** Streams what takes long, with such a signal; errors become ours. */
  stream<T>(task: (signal: AbortSignal) => AsyncIterable<T>, signal?: AbortSignal): AsyncGenerator<T>;
  /** Ends all work with `CLOSED`, waits until it has ended, then calls `release`; once for all callers. */
  end(release: () => Promise<void>): Promise<void>;
}

/** A signal that fires when any of the given does, and how to let go of them. */
function link(signals: readonly (AbortSignal | undefined)[]): { signal: AbortSignal; unlink: () => void } {
  // AbortSignal.any keeps what follows a long-lived signal for as long as that lives; a store may live for months.
  const linked = new AbortController();
  const undo: (() => void)[] = [];
  for (const signal of signals) {
    if (signal === undefined) continue;
    const forward = (): void => linked.abort(signal.reason);
    if (signal.aborted) forward();
    signal.addEventListener('abort', forward, { once: true });
    undo.push(() => signal.removeEventListener('abort', forward));
  }
  return {
    signal: linked.signal,
    unlink: () => {
      for (const step of undo) step();
    },
  };
}

async function whileLinked<T>(
  signals: readonly (AbortSignal | undefined)[],
  task: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const { signal, unlink } = link(signals);
  try {
    return await task(signal);
  } finally {
    unlink();
  }
}

async function* streamLinked<T>(
  signals: readonly (AbortSignal | undefined)[],
  task: (signal: AbortSignal) => AsyncIterable<T>,
  translate: (error: unknown) => ModelkeepError,
): AsyncGenerator<T> {
  const { signal, unlink } = link(signals);
  try {
    yield* task(signal);
  } catch (error) {
    // What an abort breaks fails in many ways: the abort is the reason.
    throwIfAborted(signal);
    throw translate(error);
  } finally {
    unlink();
  }
}

/**
 * Keeps count of a store's work.
 *
 * @param location the store, for messages
 * @param translate turns an error of the storage into one of the house
 */
export function createWork(location: string, translate: (error: unknown) => ModelkeepError): Work {
  const ending = new AbortController();
  const running = new Set<Promise<unknown>>();
  let ended: Promise<void> | undefined;
  const check = (signal?: AbortSignal): void => {
    if (ended !== undefined) throw new ModelkeepError('CLOSED', `The store ${location} was closed: open it again`);
    throwIfAborted(signal);
  };
  return {
    check,
    step: (task, signal) => {
      check(signal);
      try {
        return task();
      } catch (error) {
        throw translate(error);
      }
    },
    run: async (task, signal) => {
      check(signal);
      const promise = whileLinked([signal, ending.signal], task);
      running.add(promise);
      try {
        return await promise;
      } finally {
        running.delete(promise);
      }
    },
    async *stream(task, signal) {
      check(signal);
      yield* streamLinked([signal, ending.signal], task, translate);
    },
    end: async (release) => {
      ended ??= (async () => {
        ending.abort(new ModelkeepError('CLOSED', `The store ${location} was closed during the operation`));
        // Their callers get the errors of what is cut off here.
        await Promise.allSettled(running);
        await release();
      })();
      return ended;
    },
  };
}
