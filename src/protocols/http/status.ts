import type { ErrorCode } from '../../core/index.js';

/** The HTTP status of each error code. 499 is the customary status of a request that its client gave up. */
export const HTTP_STATUS: Readonly<Record<ErrorCode, number>> = Object.freeze({
  INVALID_REFERENCE: 400,
  MODEL_NOT_FOUND: 404,
  VERSION_NOT_FOUND: 404,
  ALIAS_NOT_FOUND: 404,
  ALIAS_CONFLICT: 409,
  INVALID_ARTIFACT: 422,
  UNSUPPORTED_FORMAT: 422,
  UNSAFE_FORMAT: 403,
  DIGEST_MISMATCH: 500,
  STORE_UNAVAILABLE: 503,
  STORE_PERMISSION: 500,
  LOAD_FAILED: 500,
  GATE_FAILED: 409,
  RUNNER_CRASHED: 503,
  OUT_OF_BUDGET: 507,
  INVALID_INPUT: 400,
  OVERLOADED: 429,
  DEADLINE_EXCEEDED: 504,
  CANCELLED: 499,
  UNAUTHENTICATED: 401,
  FORBIDDEN: 403,
  CLOSED: 503,
  INTERNAL: 500,
});
