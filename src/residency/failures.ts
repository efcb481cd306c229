import { ModelkeepError, versionName, type ErrorCode, type VersionRecord } from '../core/index.js';
import { Backoff } from './backoff.js';

/** Runners that a version may end within {@link CRASH_WINDOW_MS}, without an answer in between, before quarantine. */
const CRASHES_TO_QUARANTINE = 3;
const CRASH_WINDOW_MS = 60_000;

/** Failures after which a version may be tried again at once. */
const SAYS_NOTHING: ReadonlySet<ErrorCode> = new Set(['STORE_UNAVAILABLE', 'OUT_OF_BUDGET', 'UNSAFE_FORMAT']);

/** Remembers what went wrong with versions: failed loads with their back-off, and runners that they ended. */
export class Failures {
  readonly #backoffs = new Map<string, Backoff>();
  /** When versions ended runners, in ms of the monotonic clock. */
  readonly #crashes = new Map<string, readonly number[]>();

  /**
   * @param except a code that says nothing to this caller
   * @throws ModelkeepError the remembered failure of a version, while its back-off time lasts
   */
  check(id: string, except?: ErrorCode): void {
    const backoff = this.#backoffs.get(id);
    if (backoff?.code !== except) backoff?.check();
  }

  /**
   * Takes a failed load. A store that is away, a budget that is full, or an operator who does not allow its format says
   * nothing about the version.
   */
  take(id: string, error: ModelkeepError): void {
    if (SAYS_NOTHING.has(error.code)) return;
    const backoff = this.#backoffs.get(id) ?? new Backoff();
    backoff.fail(error);
    this.#backoffs.set(id, backoff);
  }

  /** Forgets the failed loads of a version that was loaded. */
  forget(id: string): void {
    this.#backoffs.delete(id);
  }

  /** Takes the end of a runner that was running a version. @returns the error of its quarantine, if that begins now */
  blame(record: VersionRecord, error: ModelkeepError): ModelkeepError | undefined {
    const now = performance.now();
    const recent = [...(this.#crashes.get(record.id) ?? []), now].filter((at) => now - at < CRASH_WINDOW_MS);
    this.#crashes.set(record.id, recent);
    if (recent.length < CRASHES_TO_QUARANTINE) return undefined;
    this.#crashes.delete(record.id);
    const message = `Version ${versionName(record)} ended its runner ${recent.length} times within a minute and is in quarantine: publish a mended version, or go back to another. ${error.message}`;
    const quarantine = new ModelkeepError('RUNNER_CRASHED', message, { cause: error, details: error.details });
    this.take(record.id, quarantine);
    return quarantine;
  }

  /** Ends all blame of a version: it has answered. */
  absolve(id: string): void {
    this.#crashes.delete(id);
  }
}
