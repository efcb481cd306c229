import { SpanKind, SpanStatusCode, trace, type Context, type Span } from '@opentelemetry/api';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { traceContextOf } from '../trace-context.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** What spans of this request lie below. */
    traceContext: Context | undefined;
    /** The request's own span. */
    span: Span | undefined;
  }
}

/** The name of a request: its route, and never its URL, which may hold anything. */
export function routeOf({ method, routeOptions }: FastifyRequest): string {
  return `${method} ${routeOptions.url ?? '(none)'}`;
}

/** Gives each request an id and a span, and writes one line of the log when it is answered: never what was asked. */
export function observe(server: FastifyInstance): void {
  server.decorateRequest('traceContext', undefined);
  server.decorateRequest('span', undefined);
  server.addHook('onRequest', (request, reply, done) => {
    void reply.header('x-request-id', request.id);
    const above = traceContextOf(request.headers);
    const attributes = { 'http.request.method': request.method, 'http.route': request.routeOptions.url ?? '' };
    request.span = trace
      .getTracer('modelkeep')
      .startSpan(routeOf(request), { kind: SpanKind.SERVER, attributes }, above);
    request.traceContext = trace.setSpan(above, request.span);
    done();
  });
  server.addHook('onResponse', (request, reply, done) => {
    endSpan(request, reply.statusCode);
    log(request, reply);
    done();
  });
  server.addHook('onRequestAbort', (request, done) => {
    request.span?.setAttribute('error.type', 'CANCELLED').end();
    request.span = undefined;
    done();
  });
}

function endSpan({ span }: FastifyRequest, status: number): void {
  if (span === undefined) return;
  span.setAttribute('http.response.status_code', status);
  if (status >= 500) span.setStatus({ code: SpanStatusCode.ERROR });
  span.end();
}

/** Answered requests at level `debug`, refused ones at `info`, failed ones at `warn` (their error has a line before). */
function log(request: FastifyRequest, reply: FastifyReply): void {
  const { statusCode: status } = reply;
  const level = status >= 500 ? 'warn' : status >= 400 ? 'info' : 'debug';
  const traceId = request.span?.spanContext().traceId;
  request.log[level](
    {
      route: routeOf(request),
      status,
      ms: Math.round(reply.elapsedTime * 10) / 10,
      ...(request.principal === undefined ? {} : { by: request.principal.name }),
      ...answeredBy(reply),
      ...(traceId === undefined || /^0+$/.test(traceId) ? {} : { traceId }),
    },
    'request answered',
  );
}

function answeredBy(reply: FastifyReply): { readonly version?: string } {
  const model = reply.getHeader('x-modelkeep-model');
  if (typeof model !== 'string') return {};
  return { version: `${model}:${String(reply.getHeader('x-modelkeep-version'))}` };
}
