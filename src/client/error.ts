import type { Error as ServerError } from './schema.js';

/** The server's codes, and `NETWORK` for an answer that never came or was none of the server's. */
export type ClientErrorCode = NonNullable<ServerError['code']> | 'NETWORK';

/** What a call fails with. */
export class ModelkeepClientError extends Error {
  override readonly name = 'ModelkeepClientError';
  /** What went wrong, for programs. */
  readonly code: ClientErrorCode;
  /** HTTP status; absent if no answer came. */
  readonly status: number | undefined;
  /** The request's id in the log of the server; absent if no answer came. */
  readonly requestId: string | undefined;
  /** Facts for programs. */
  readonly details: Readonly<Record<string, unknown>>;

  constructor(
    code: ClientErrorCode,
    message: string,
    facts: {
      readonly status?: number | undefined;
      readonly requestId?: string | undefined;
      readonly details?: Readonly<Record<string, unknown>>;
      readonly cause?: unknown;
    } = {},
  ) {
    super(message, facts.cause === undefined ? undefined : { cause: facts.cause });
    this.code = code;
    this.status = facts.status;
    this.requestId = facts.requestId;
    this.details = facts.details ?? {};
  }
}
