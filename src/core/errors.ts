/**
 * Every way an operation can fail, with what it means. Closed: a new failure is a row here, a row in
 * `docs/errors.md`, and a row in the tables of `protocols/` and `cli/`; tests walk all of them.
 */
export const ERROR_CODES = Object.freeze({
  INVALID_REFERENCE: 'A reference, model name or alias is not well-formed.',
  MODEL_NOT_FOUND: 'The store has no model of that name.',
  VERSION_NOT_FOUND: 'The model exists, but not in that version.',
  ALIAS_NOT_FOUND: 'The model exists, but has no alias of that name.',
  ALIAS_CONFLICT: 'The alias was moved by somebody else in between.',
  INVALID_ARTIFACT: 'The files to publish, or the files of a version, are not a usable model.',
  UNSUPPORTED_FORMAT: 'The files are of a kind, family or option that is not supported.',
  UNSAFE_FORMAT: 'Loading the version could execute code from it, and the operator has not allowed that.',
  DIGEST_MISMATCH: 'Bytes differ from the digest under which they are known.',
  STORE_UNAVAILABLE: 'The store cannot be reached, is full, or did not answer in time.',
  STORE_PERMISSION: 'The store refused the operation: credentials or rights.',
  LOAD_FAILED: 'The version could not be turned into a running model.',
  GATE_FAILED: 'A check that guards an alias or a load did not hold.',
  RUNNER_CRASHED: 'The process that ran the model ended unexpectedly.',
  OUT_OF_BUDGET: 'There is not enough memory or disk budget left.',
  INVALID_INPUT: 'The input of a request is not what the model or the operation takes.',
  OVERLOADED: 'The queue is full; try again later.',
  DEADLINE_EXCEEDED: 'The time allowed for the operation ran out.',
  CANCELLED: 'The caller gave up.',
  UNAUTHENTICATED: 'The caller did not prove who it is.',
  FORBIDDEN: 'The caller may not do this.',
  CLOSED: 'The object was closed before or during the operation.',
  INTERNAL: 'A defect of modelkeep itself.',
});

/** A closed union of all error codes; see {@link ERROR_CODES} for their meanings. */
export type ErrorCode = keyof typeof ERROR_CODES;

/** Plain facts that travel with an error, such as the file or version concerned. Never secrets or inputs. */
export type ErrorDetails = Readonly<Record<string, unknown>>;

/** Options of {@link ModelkeepError}. */
export interface ModelkeepErrorOptions extends ErrorOptions {
  /** Machine-readable facts, shown in JSON output. */
  readonly details?: ErrorDetails;
}

/**
 * The only error class that modelkeep throws. The message names the value that was wrong and the next step.
 *
 * @example
 * ```ts
 * try {
 *   await keep.load('sentiment@production');
 * } catch (error) {
 *   if (error instanceof ModelkeepError && error.code === 'ALIAS_NOT_FOUND') …
 * }
 * ```
 */
export class ModelkeepError extends Error {
  override readonly name = 'ModelkeepError';
  /** What went wrong, for programs. */
  readonly code: ErrorCode;
  /** Facts for programs and logs. */
  readonly details: ErrorDetails;

  constructor(code: ErrorCode, message: string, options: ModelkeepErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.details = options.details ?? {};
  }

  /** The form that crosses a border (JSON output, HTTP bodies, frames to a runner): no stack, no cause. */
  toJSON(): ErrorJson {
    const { code, message, details } = this;
    return Object.keys(details).length === 0 ? { code, message } : { code, message, details };
  }
}

/** The JSON form of an error. */
export interface ErrorJson {
  readonly code: ErrorCode;
  readonly message: string;
  readonly details?: ErrorDetails;
}

/** True if `value` is one of the closed codes. */
export function isErrorCode(value: unknown): value is ErrorCode {
  return typeof value === 'string' && Object.hasOwn(ERROR_CODES, value);
}

/** Rebuilds an error that crossed a border as {@link ErrorJson}; an unknown code becomes `INTERNAL`. */
export function errorFromJson(json: { code?: unknown; message?: unknown; details?: unknown }): ModelkeepError {
  const code = isErrorCode(json.code) ? json.code : 'INTERNAL';
  const message = typeof json.message === 'string' ? json.message : 'An error without a message crossed a border';
  const details = typeof json.details === 'object' && json.details !== null ? (json.details as ErrorDetails) : {};
  return new ModelkeepError(code, message, { details });
}

/**
 * Turns anything thrown into a {@link ModelkeepError}: itself if it is one, `CANCELLED` or `DEADLINE_EXCEEDED` for an
 * abort, else `INTERNAL` (or `fallback`) with the original as `cause`.
 */
export function asModelkeepError(error: unknown, fallback: ErrorCode = 'INTERNAL'): ModelkeepError {
  if (error instanceof ModelkeepError) return error;
  const name = error instanceof Error ? error.name : '';
  if (name === 'AbortError') return new ModelkeepError('CANCELLED', 'The operation was cancelled', { cause: error });
  if (name === 'TimeoutError') {
    return new ModelkeepError('DEADLINE_EXCEEDED', 'The operation ran out of time', { cause: error });
  }
  const message = error instanceof Error ? error.message : String(error);
  return new ModelkeepError(fallback, message, { cause: error });
}

/**
 * Throws the {@link ModelkeepError} form of the signal's reason if it is aborted; call it between steps of long work.
 *
 * @throws ModelkeepError `CANCELLED`, or `DEADLINE_EXCEEDED` for a signal of `AbortSignal.timeout`
 */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw asModelkeepError(signal.reason, 'CANCELLED');
}
