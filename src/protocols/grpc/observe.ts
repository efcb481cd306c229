import { SpanKind, SpanStatusCode, trace, type Context, type Span } from '@opentelemetry/api';
import {
  ServerInterceptingCall,
  ServerListenerBuilder,
  status as Status,
  type Metadata,
  type ServerInterceptor,
} from '@grpc/grpc-js';
import { requestIdOf } from '../request-id.js';
import { traceContextOf } from '../trace-context.js';
import { principalOf } from './guard.js';

/** One call that is over, for the log: never what was asked. */
export interface CallReport {
  readonly requestId: string;
  /** Its method, as `/inference.GRPCInferenceService/ModelInfer`. */
  readonly path: string;
  /** Name of its status, as `OK`. */
  readonly status: string;
  readonly ms: number;
  /** Name of the credentials. */
  readonly by?: string;
  readonly traceId?: string;
}

/** What {@link observe} is told. */
export interface ObserveOptions {
  /** Time in which a message must have arrived, in ms. */
  readonly receiveTimeoutMs: number;
  readonly onAnswered: (report: CallReport) => void;
}

/** What the spans of a call lie below, by its metadata. */
const contexts = new WeakMap<Metadata, Context>();

/** What spans of a call lie below. */
export function callContextOf(metadata: Metadata): Context | undefined {
  return contexts.get(metadata);
}

/** Statuses that say that the server is at fault, by the conventions of OpenTelemetry for servers. */
const SERVER_ERRORS: ReadonlySet<Status> = new Set([
  Status.UNKNOWN,
  Status.DEADLINE_EXCEEDED,
  Status.UNIMPLEMENTED,
  Status.INTERNAL,
  Status.UNAVAILABLE,
  Status.DATA_LOSS,
]);

const GETTER = {
  keys: (metadata: Metadata) => Object.keys(metadata.getMap()),
  get: (metadata: Metadata, name: string) => metadata.get(name).map(String),
};

/** Gives each call an id and a span, tells when it is over, and ends those whose message does not arrive. */
export function observe(options: ObserveOptions): ServerInterceptor {
  return (method, call) => {
    const observed = new ObservedCall(method.path, options.onAnswered);
    const late = setTimeout(() => {
      const details = `The message did not arrive within ${options.receiveTimeoutMs} ms`;
      observed.end(Status.DEADLINE_EXCEEDED);
      call.sendStatus({ code: Status.DEADLINE_EXCEEDED, details, metadata: null });
    }, options.receiveTimeoutMs);
    const listener = new ServerListenerBuilder()
      .withOnReceiveMetadata((metadata, next) => {
        observed.begin(metadata);
        next(metadata);
      })
      .withOnReceiveHalfClose((next) => {
        clearTimeout(late);
        next();
      })
      .withOnCancel(() => {
        clearTimeout(late);
        observed.end(Status.CANCELLED);
      })
      .build();
    return new ServerInterceptingCall(call, {
      start: (next) => next(listener),
      sendMetadata: (metadata, next) => {
        metadata.set('x-request-id', observed.requestId);
        next(metadata);
      },
      sendStatus: (given, next) => {
        clearTimeout(late);
        observed.end(given.code);
        next(given);
      },
    });
  };
}

class ObservedCall {
  requestId = '';
  readonly #path: string;
  readonly #onAnswered: (report: CallReport) => void;
  readonly #startedAt = performance.now();
  #metadata: Metadata | undefined;
  #span: Span | undefined;
  #ended = false;

  constructor(path: string, onAnswered: (report: CallReport) => void) {
    this.#path = path;
    this.#onAnswered = onAnswered;
  }

  begin(metadata: Metadata): void {
    this.#metadata = metadata;
    this.requestId = requestIdOf(metadata.get('x-request-id')[0]);
    const above = traceContextOf(metadata, GETTER);
    const [service, name] = this.#path.slice(1).split('/');
    const attributes = { 'rpc.system': 'grpc', 'rpc.service': service ?? '', 'rpc.method': name ?? '' };
    const kind = SpanKind.SERVER;
    this.#span = trace.getTracer('modelkeep').startSpan(this.#path.slice(1), { kind, attributes }, above);
    contexts.set(metadata, trace.setSpan(above, this.#span));
  }

  /** The first status counts: a call that was given up may be answered afterwards. */
  end(code: Status): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#span?.setAttribute('rpc.grpc.status_code', code);
    if (SERVER_ERRORS.has(code)) this.#span?.setStatus({ code: SpanStatusCode.ERROR });
    this.#span?.end();
    const by = this.#metadata === undefined ? undefined : principalOf(this.#metadata)?.name;
    const traceId = this.#span?.spanContext().traceId;
    this.#onAnswered({
      requestId: this.requestId,
      path: this.#path,
      status: Status[code],
      ms: Math.round((performance.now() - this.#startedAt) * 10) / 10,
      ...(by === undefined ? {} : { by }),
      ...(traceId === undefined || /^0+$/.test(traceId) ? {} : { traceId }),
    });
  }
}
