import type { ErrorCode } from '../app/index.js';

/**
 * The exit code of each error code: 2 the command line or input is wrong, 3 what it names is not there, 4 somebody else
 * was faster or a gate held it back, 5 the model's files are unusable, 6 bytes are damaged, 7 the store, 8 running the
 * model, 9 not allowed, 130 interrupted, 1 a defect.
 */
export const EXIT_CODE: Readonly<Record<ErrorCode, number>> = Object.freeze({
  INVALID_REFERENCE: 2,
  INVALID_INPUT: 2,
  MODEL_NOT_FOUND: 3,
  VERSION_NOT_FOUND: 3,
  ALIAS_NOT_FOUND: 3,
  ALIAS_CONFLICT: 4,
  GATE_FAILED: 4,
  INVALID_ARTIFACT: 5,
  UNSUPPORTED_FORMAT: 5,
  UNSAFE_FORMAT: 9,
  DIGEST_MISMATCH: 6,
  STORE_UNAVAILABLE: 7,
  STORE_PERMISSION: 7,
  LOAD_FAILED: 8,
  RUNNER_CRASHED: 8,
  OUT_OF_BUDGET: 8,
  OVERLOADED: 8,
  DEADLINE_EXCEEDED: 8,
  CANCELLED: 130,
  UNAUTHENTICATED: 9,
  FORBIDDEN: 9,
  CLOSED: 8,
  INTERNAL: 1,
});
