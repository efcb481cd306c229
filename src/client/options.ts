/** Options of a client. */
export interface ClientOptions {
  /** Where the server is, such as `http://127.0.0.1:8080`. */
  readonly url: string;
  /** A key of the server or a token, or what gives one for each attempt. @defaultValue none is sent */
  readonly key?: string | (() => string | Promise<string>);
  /** Time for one call with all its attempts, in ms; `0`: no limit. @defaultValue 60_000 */
  readonly timeoutMs?: number;
  /** How often a call is tried again that the server refused for load, or that did not reach it. @defaultValue 3 */
  readonly retries?: number;
  /** What sends requests. @defaultValue the `fetch` of the platform */
  readonly fetch?: typeof fetch;
}

/** The defaults of {@link ClientOptions}. */
export const CLIENT_DEFAULTS = Object.freeze({ timeoutMs: 60_000, retries: 3 });

/** Longest pause before the first retry, in ms; it doubles with each. */
export const FIRST_PAUSE_MS = 200;
/** Longest pause between two attempts, in ms, unless the server asks for more. */
export const LONGEST_PAUSE_MS = 10_000;
