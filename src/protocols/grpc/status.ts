import { Metadata, status as Status, type ServiceError } from '@grpc/grpc-js';
import { asModelkeepError, type ErrorCode, type ModelkeepError } from '../../core/index.js';
import { retryAfterMs } from '../retry-after.js';
import { errorMessages, type WriteErrorMessage } from './definitions.js';

/** The gRPC status of each error code. */
export const GRPC_STATUS: Readonly<Record<ErrorCode, Status>> = Object.freeze({
  INVALID_REFERENCE: Status.INVALID_ARGUMENT,
  MODEL_NOT_FOUND: Status.NOT_FOUND,
  VERSION_NOT_FOUND: Status.NOT_FOUND,
  ALIAS_NOT_FOUND: Status.NOT_FOUND,
  ALIAS_CONFLICT: Status.ABORTED,
  INVALID_ARTIFACT: Status.FAILED_PRECONDITION,
  UNSUPPORTED_FORMAT: Status.FAILED_PRECONDITION,
  UNSAFE_FORMAT: Status.PERMISSION_DENIED,
  DIGEST_MISMATCH: Status.DATA_LOSS,
  STORE_UNAVAILABLE: Status.UNAVAILABLE,
  STORE_PERMISSION: Status.INTERNAL,
  LOAD_FAILED: Status.INTERNAL,
  GATE_FAILED: Status.FAILED_PRECONDITION,
  RUNNER_CRASHED: Status.UNAVAILABLE,
  OUT_OF_BUDGET: Status.RESOURCE_EXHAUSTED,
  INVALID_INPUT: Status.INVALID_ARGUMENT,
  OVERLOADED: Status.RESOURCE_EXHAUSTED,
  DEADLINE_EXCEEDED: Status.DEADLINE_EXCEEDED,
  CANCELLED: Status.CANCELLED,
  UNAUTHENTICATED: Status.UNAUTHENTICATED,
  FORBIDDEN: Status.PERMISSION_DENIED,
  CLOSED: Status.UNAVAILABLE,
  INTERNAL: Status.INTERNAL,
});

/** Longest text of a status: it travels in a header, each character as up to nine bytes, and clients allow 8 KiB. */
const LONGEST_MESSAGE = 700;

const TYPE_URL = 'type.googleapis.com/google.rpc.';
let write: WriteErrorMessage | undefined;

/**
 * The status of anything thrown: our sentence, and in the trailers our code (`ErrorInfo`) and, for `OVERLOADED`, when to
 * try again (`RetryInfo`, and `grpc-retry-pushback-ms`, which gRPC libraries obey by themselves).
 */
export function statusOf(thrown: unknown): Partial<ServiceError> {
  const error = asModelkeepError(thrown);
  const code = GRPC_STATUS[error.code];
  const details = messageOf(error);
  const metadata = new Metadata();
  metadata.set('grpc-status-details-bin', detailsOf(error, code, details));
  if (error.code === 'OVERLOADED') metadata.set('grpc-retry-pushback-ms', String(retryAfterMs(error)));
  return { code, details, metadata };
}

/** Half a character pair would break the header; nothing of it may. */
function messageOf({ message }: ModelkeepError): string {
  const cut = message.length > LONGEST_MESSAGE ? `${message.slice(0, LONGEST_MESSAGE)}…` : message;
  return cut.toWellFormed();
}

function detailsOf(error: ModelkeepError, code: Status, message: string): Buffer {
  const { code: reason } = error;
  write ??= errorMessages();
  const info = { type_url: `${TYPE_URL}ErrorInfo`, value: write('ErrorInfo', { reason, domain: 'modelkeep' }) };
  const ms = retryAfterMs(error);
  const delay = { retry_delay: { seconds: Math.floor(ms / 1_000), nanos: (ms % 1_000) * 1_000_000 } };
  const retry = reason === 'OVERLOADED' ? [{ type_url: `${TYPE_URL}RetryInfo`, value: write('RetryInfo', delay) }] : [];
  return write('Status', { code, message, details: [info, ...retry] });
}
