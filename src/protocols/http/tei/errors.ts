import type { ErrorCode, ModelkeepError } from '../../../core/index.js';
import { TOO_LONG } from '../../../tasks/index.js';
import { HTTP_STATUS } from '../status.js';

/** The kinds of errors that clients of Text Embeddings Inference know. */
type TeiErrorType = 'Unhealthy' | 'Backend' | 'Overloaded' | 'Validation' | 'Tokenizer' | 'Empty';

const UNPROCESSABLE = 422;
const TOO_LARGE = 413;
const FAILED_DEPENDENCY = 424;
const BAD_REQUEST = 400;

/** What its clients expect where it differs from {@link HTTP_STATUS}; every other code keeps its status. */
const OWN: Readonly<Partial<Record<ErrorCode, readonly [number, TeiErrorType]>>> = {
  INVALID_INPUT: [UNPROCESSABLE, 'Validation'],
  INVALID_REFERENCE: [UNPROCESSABLE, 'Validation'],
  UNSUPPORTED_FORMAT: [FAILED_DEPENDENCY, 'Backend'],
  LOAD_FAILED: [FAILED_DEPENDENCY, 'Backend'],
  RUNNER_CRASHED: [FAILED_DEPENDENCY, 'Backend'],
  INTERNAL: [FAILED_DEPENDENCY, 'Backend'],
  OVERLOADED: [HTTP_STATUS.OVERLOADED, 'Overloaded'],
  OUT_OF_BUDGET: [HTTP_STATUS.OVERLOADED, 'Overloaded'],
  STORE_UNAVAILABLE: [HTTP_STATUS.STORE_UNAVAILABLE, 'Unhealthy'],
  CLOSED: [HTTP_STATUS.CLOSED, 'Unhealthy'],
  DEADLINE_EXCEEDED: [HTTP_STATUS.DEADLINE_EXCEEDED, 'Backend'],
};

/** Marks an error for an input of which there is none, such as a list without a text. */
export const EMPTY = 'empty';

/** An error as Text Embeddings Inference tells it, with our code beside its type. */
export function teiError(
  { code, message, details }: ModelkeepError,
  status: number,
): { readonly status: number; readonly body: object } {
  if (details['reason'] === EMPTY) {
    return { status: BAD_REQUEST, body: { error: message, error_type: 'Empty' satisfies TeiErrorType, code } };
  }
  if (details['reason'] === TOO_LONG) {
    return { status: TOO_LARGE, body: { error: message, error_type: 'Validation' satisfies TeiErrorType, code } };
  }
  const [own, type] = OWN[code] ?? [status, 'Validation' satisfies TeiErrorType];
  // What the framework refuses (a body too large, an unknown encoding) keeps its status.
  const shown = code === 'INVALID_INPUT' && status !== HTTP_STATUS.INVALID_INPUT ? status : own;
  return { status: shown, body: { error: message, error_type: type, code } };
}
