import type { handleUnaryCall, ServerUnaryCall } from '@grpc/grpc-js';
import { authorize, errorFor, mayUse, rightsOf } from '../../access/index.js';
import { asModelkeepError, ModelkeepError } from '../../core/index.js';
import type { RequestOptions } from '../../serving/index.js';
import { operationOf, principalOf } from './guard.js';
import { callContextOf } from './observe.js';
import { settle } from './settle.js';
import { GRPC_STATUS, statusOf } from './status.js';

/** Told of errors that are not the client's. */
export type OnFailure = (error: ModelkeepError, path: string) => void;

/** Codes whose statuses say that the server is at fault. */
const SERVER_FAULTS: ReadonlySet<number> = new Set([GRPC_STATUS.INTERNAL, GRPC_STATUS.DIGEST_MISMATCH]);

/** Metadata by which a client says for whom it asks: where an alias is split, the same key gets the same version. */
const KEY = 'x-modelkeep-key';

/** The call's deadline as the request's, its key, and a signal that fires when the client gives up. */
function optionsOf(call: ServerUnaryCall<unknown, unknown>, rights: string): RequestOptions {
  const controller = new AbortController();
  call.once('cancelled', () => controller.abort(new ModelkeepError('CANCELLED', 'The client gave up')));
  const deadline = Number(call.getDeadline());
  const traceContext = callContextOf(call.metadata);
  const key = call.metadata.get(KEY)[0];
  return {
    signal: controller.signal,
    rights,
    ...(typeof key === 'string' ? { key } : {}),
    ...(traceContext === undefined ? {} : { traceContext }),
    // At least 1: 0 would mean that there is no limit.
    ...(Number.isFinite(deadline) ? { timeoutMs: Math.max(1, deadline - Date.now()) } : {}),
  };
}

/** One call: its message, its deadline and signal, and who sent it. */
export interface Call<Request> {
  readonly request: Request;
  readonly options: RequestOptions;
  /** Checks that the caller may do this to a model. @throws ModelkeepError `FORBIDDEN`, `INVALID_REFERENCE` */
  readonly authorize: (reference: string) => string;
  /** True if the caller may use a model. */
  readonly sees: (model: string) => boolean;
}

/** Answers one kind of call by `work`; what it throws becomes the call's status, as its caller may see it. */
export function unary<Request, Response>(
  work: (call: Call<Request>) => Response | Promise<Response>,
  onFailure: OnFailure,
): handleUnaryCall<Request | ModelkeepError, Response> {
  return (call, callback) => {
    const principal = principalOf(call.metadata);
    const answer = async (): Promise<Response> => {
      const { request } = call;
      if (request instanceof ModelkeepError) throw request;
      return work({
        request,
        options: optionsOf(call, rightsOf(principal)),
        authorize: (reference) => {
          if (principal !== undefined) authorize(principal, operationOf(call.getPath()), reference);
          return reference;
        },
        sees: (model) => principal === undefined || mayUse(principal, model),
      });
    };
    const refuse = (thrown: unknown): void => {
      const error = asModelkeepError(thrown);
      if (SERVER_FAULTS.has(GRPC_STATUS[error.code])) onFailure(error, call.getPath());
      callback(statusOf(errorFor(principal, error)));
    };
    void settle(answer, (response) => callback(null, response), refuse);
  };
}
