import { ModelkeepError, type ErrorCode } from '../core/index.js';

/** First and longest time for which a failure is answered without trying again, in ms. */
const FIRST_MS = 1_000;
const LONGEST_MS = 60_000;

/** Remembers a failure for a while, so that a version that cannot be loaded is not tried with every request. */
export class Backoff {
  #pauseMs = FIRST_MS;
  #untilMs = 0;
  #error: ModelkeepError | undefined;
  readonly #now: () => number;

  /** @param now the clock, in ms; a test owns it */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** The code of the last failure. */
  get code(): ErrorCode | undefined {
    return this.#error?.code;
  }

  /** Takes a failure; the next one within reach doubles the pause. */
  fail(error: ModelkeepError): void {
    this.#error = error;
    this.#untilMs = this.#now() + this.#pauseMs;
    this.#pauseMs = Math.min(2 * this.#pauseMs, LONGEST_MS);
  }

  /** @throws ModelkeepError the last failure, while its time has not passed */
  check(): void {
    const leftMs = this.#untilMs - this.#now();
    if (this.#error === undefined || leftMs <= 0) return;
    const { code, message, details } = this.#error;
    const seconds = Math.ceil(leftMs / 1_000);
    throw new ModelkeepError(code, `${message} (tried again in ${seconds} s)`, { cause: this.#error, details });
  }
}
