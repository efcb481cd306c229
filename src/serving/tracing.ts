import { context, SpanKind, SpanStatusCode, trace, type Context, type Span } from '@opentelemetry/api';
import { versionName } from '../core/index.js';
import type { RequestReport } from './request.js';
import type { InferenceService } from './service.js';

/**
 * Tells OpenTelemetry of every request: a span for it, and below it one for each part that took time (made ready,
 * queue, tokenize, run). Costs nothing where no SDK is registered.
 */
export function traceRequests(service: InferenceService): void {
  service.on('request', traceRequest);
}

function traceRequest({ reference, record, error, timing, durationMs, traceContext }: RequestReport): void {
  const tracer = trace.getTracer('modelkeep');
  const endMs = performance.timeOrigin + performance.now();
  const parent = traceContext ?? context.active();
  const attributes = { 'modelkeep.reference': reference };
  const startTime = endMs - durationMs;
  const span = tracer.startSpan('modelkeep.request', { kind: SpanKind.INTERNAL, startTime, attributes }, parent);
  if (span.isRecording()) {
    if (record !== undefined) span.setAttribute('modelkeep.version', versionName(record));
    // The message may hold what was asked; the code never does.
    if (error !== undefined) {
      span.setAttribute('error.type', error.code);
      span.setStatus({ code: SpanStatusCode.ERROR });
    }
    const { queueMs = 0, tokenizeMs = 0, runMs = 0 } = timing ?? {};
    let atMs = startTime;
    const readyMs = timing === undefined ? 0 : Math.max(0, durationMs - queueMs - tokenizeMs - runMs);
    for (const [name, ms] of [
      ['ready', readyMs],
      ['queue', queueMs],
      ['tokenize', tokenizeMs],
      ['run', runMs],
    ] as const) {
      if (timing === undefined || (name === 'tokenize' && ms === 0)) continue;
      part(span, parent, `modelkeep.${name}`, atMs, (atMs += ms));
    }
  }
  span.end(endMs);
}

function part(parent: Span, above: Context, name: string, startTime: number, endTime: number): void {
  trace.getTracer('modelkeep').startSpan(name, { startTime }, trace.setSpan(above, parent)).end(endTime);
}
