import { context, propagation, trace, type Context, type TextMapGetter } from '@opentelemetry/api';

/**
 * What the span of a request lies below: the span that an instrumentation of Node.js made of the same request, if there
 * is one, else what the caller says.
 *
 * @param carrier the headers or metadata of the request
 * @param getter reads it; left out for an object of headers
 */
export function traceContextOf<Carrier>(carrier: Carrier, getter?: TextMapGetter<Carrier>): Context {
  const active = context.active();
  const caller = propagation.extract(active, carrier, getter);
  // Of another trace, it is the span in which the server was opened: connections inherit that.
  const around = trace.getSpanContext(active);
  return around !== undefined && around.traceId === trace.getSpanContext(caller)?.traceId ? active : caller;
}
