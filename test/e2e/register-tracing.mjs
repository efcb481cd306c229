/**
 * `node --import register-tracing.mjs`: registers an SDK of OpenTelemetry and instruments servers of Node.js, as the
 * packages of OpenTelemetry do, and appends each span that ends to the file `$SPANS` as a line of JSON.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { appendFileSync } from 'node:fs';
import { Server } from 'node:http';
import { context, propagation, ROOT_CONTEXT, SpanKind, trace } from '@opentelemetry/api';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { BasicTracerProvider, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base';

const running = new AsyncLocalStorage();
const contextManager = {
  active: () => running.getStore() ?? ROOT_CONTEXT,
  with: (given, task, self, ...args) => running.run(given, () => task.apply(self, args)),
  bind: (given, task) => task,
  enable: () => contextManager,
  disable: () => contextManager,
};
const exporter = {
  export: (spans, done) => {
    for (const span of spans) {
      const { traceId, spanId } = span.spanContext();
      const line = { name: span.name, traceId, spanId, parent: span.parentSpanContext?.spanId };
      appendFileSync(process.env.SPANS, `${JSON.stringify(line)}\n`);
    }
    done({ code: 0 });
  },
  shutdown: async () => undefined,
};
context.setGlobalContextManager(contextManager);
propagation.setGlobalPropagator(new W3CTraceContextPropagator());
trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }));

const emit = Reflect.get(Server.prototype, 'emit');
Server.prototype.emit = function instrumented(event, ...args) {
  if (event !== 'request') return Reflect.apply(emit, this, [event, ...args]);
  const [request, response] = args;
  const above = propagation.extract(ROOT_CONTEXT, request.headers);
  const span = trace.getTracer('http').startSpan('instrumented', { kind: SpanKind.SERVER }, above);
  response.once('close', () => span.end());
  return context.with(trace.setSpan(above, span), () => Reflect.apply(emit, this, [event, ...args]));
};
