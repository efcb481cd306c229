import { asModelkeepError, ModelkeepError } from '../core/index.js';

/** Work that several callers wait for. It is cancelled when the last of them has left, and not before. */
export class SharedWork<T> {
  readonly #abort = new AbortController();
  readonly #result: Promise<T>;
  #waiters = 0;

  /** Starts the work at once. */
  constructor(work: (signal: AbortSignal) => Promise<T>) {
    this.#result = work(this.#abort.signal);
    // Each waiter sees the failure in its own promise; without any there is nobody to tell.
    this.#result.catch(() => undefined);
  }

  /** The outcome, whoever waits for it. */
  get settled(): Promise<T> {
    return this.#result;
  }

  /** True once it was cancelled: it can no longer be joined with success. */
  get cancelled(): boolean {
    return this.#abort.signal.aborted;
  }

  /** Cancels the work for everybody. */
  cancel(reason: ModelkeepError): void {
    this.#abort.abort(reason);
  }

  /**
   * Waits for the result, at most until the signal fires.
   *
   * @throws ModelkeepError `CANCELLED` or `DEADLINE_EXCEEDED` for this caller's signal; else the work's error
   */
  async join(signal?: AbortSignal): Promise<T> {
    this.#waiters += 1;
    try {
      return await (signal === undefined
        ? this.#result
        : Promise.race([this.#result, rejectOnAbort(signal, this.#result)]));
    } finally {
      this.#waiters -= 1;
      if (this.#waiters === 0) this.#abort.abort(new ModelkeepError('CANCELLED', 'Nobody waits for it any more'));
    }
  }
}

/** Rejects when the signal fires; lets go of the signal when `until` settles. */
function rejectOnAbort<T>(signal: AbortSignal, until: Promise<T>): Promise<never> {
  return new Promise((_, reject) => {
    const onAbort = (): void => reject(asModelkeepError(signal.reason, 'CANCELLED'));
    if (signal.aborted) {
      onAbort();
      return;
    }
    signal.addEventListener('abort', onAbort, { once: true });
    const letGo = (): void => signal.removeEventListener('abort', onAbort);
    until.then(letGo, letGo);
  });
}
