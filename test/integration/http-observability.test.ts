import { Writable } from 'node:stream';
import { propagation, trace } from '@opentelemetry/api';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
  type ReadableSpan,
} from '@opentelemetry/sdk-trace-base';
import { pino } from 'pino';
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { openStore } from '../../src/app/index.js';
import { modelHome, startServer, type ModelHome, type TestServer } from './http-harness.js';

let home: ModelHome;
let server: TestServer;
let lines: Record<string, unknown>[] = [];
const spans = new InMemorySpanExporter();
const SECRET = 'my secret diary';

beforeAll(async () => {
  trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(spans)] }));
  propagation.setGlobalPropagator(new W3CTraceContextPropagator());
  home = modelHome();
  await home.publish('sentiment/v2', 'sentiment');
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      lines.push(JSON.parse(chunk.toString()) as Record<string, unknown>);
      done();
    },
  });
  server = await startServer(home, { preload: ['sentiment'] }, pino({ level: 'debug', base: null }, sink));
});

beforeEach(() => {
  spans.reset();
  lines = [];
});

afterAll(async () => {
  await server.close();
  home[Symbol.dispose]();
  trace.disable();
  propagation.disable();
});

const TRACE_ID = '4bf92f3577b34da6a3ce929d0e0e4736';
const traceparent = `00-${TRACE_ID}-00f067aa0ba902b7-01`;

/** The spans of one trace by name, when the outermost one has ended. */
async function spansOf(): Promise<ReadonlyMap<string, ReadableSpan>> {
  return vi.waitFor(() => {
    const byName = new Map(spans.getFinishedSpans().map((span) => [span.name, span]));
    expect([...byName.keys()].some((name) => name.startsWith('POST '))).toBe(true);
    return byName;
  });
}

/** The line of the log about an answered request. */
async function answeredLine(): Promise<Record<string, unknown>> {
  return vi.waitFor(() => {
    const line = lines.find(({ msg }) => msg === 'request answered');
    expect(line).toBeDefined();
    return line ?? {};
  });
}

test('a request is a span of the caller’s trace, with one for each part', async () => {
  await server.post('/models/sentiment', { inputs: SECRET }, { headers: { traceparent } });
  const found = await spansOf();
  expect([...found.keys()].toSorted()).toEqual([
    'POST /models/*',
    'modelkeep.queue',
    'modelkeep.ready',
    'modelkeep.request',
    'modelkeep.run',
    'modelkeep.tokenize',
  ]);
  for (const span of found.values()) expect(span.spanContext().traceId).toBe(TRACE_ID);
  const outer = found.get('POST /models/*');
  const request = found.get('modelkeep.request');
  expect(outer?.parentSpanContext?.spanId).toBe('00f067aa0ba902b7');
  expect(outer?.attributes).toMatchObject({ 'http.route': '/models/*', 'http.response.status_code': 200 });
  expect(request?.parentSpanContext?.spanId).toBe(outer?.spanContext().spanId);
  expect(request?.attributes).toMatchObject({ 'modelkeep.reference': 'sentiment', 'modelkeep.version': 'sentiment:1' });
  expect(found.get('modelkeep.run')?.parentSpanContext?.spanId).toBe(request?.spanContext().spanId);
  const shown = [...found.values()].map(({ name, attributes, status, events }) => ({
    name,
    attributes,
    status,
    events,
  }));
  expect(JSON.stringify(shown)).not.toContain(SECRET);
});

test('a failed request is a failed span with its code', async () => {
  await server.post('/models/nope', { inputs: SECRET });
  const found = await spansOf();
  expect(found.get('modelkeep.request')).toMatchObject({
    attributes: { 'error.type': 'MODEL_NOT_FOUND' },
    status: { code: 2 },
  });
});

test('the log has a line with the request’s id, version and trace, and never what was asked', async () => {
  const headers = { traceparent, 'x-request-id': 'order-17' };
  const answer = await server.post(
    `/models/sentiment?token=${encodeURIComponent(SECRET)}`,
    { inputs: SECRET },
    { headers },
  );
  expect(answer.headers.get('x-request-id')).toBe('order-17');
  expect(await answeredLine()).toMatchObject({
    requestId: 'order-17',
    route: 'POST /models/*',
    status: 200,
    version: 'sentiment:1',
    traceId: TRACE_ID,
    ms: expect.any(Number),
  });
  expect(JSON.stringify(lines)).not.toContain(encodeURIComponent(SECRET));
  expect(JSON.stringify(lines)).not.toContain(SECRET);
});

test.each(['two words', 'a'.repeat(200), '{"level":60}', 'ümlaut'])(
  'an id %j of the client is replaced',
  async (id) => {
    const answer = await server.get('/v2', { 'x-request-id': encodeURI(id) === id ? id : encodeURI(id) });
    expect(answer.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
    expect((await answeredLine()).requestId).toBe(answer.headers.get('x-request-id'));
  },
);

test('what fails tells nothing of the inputs either', async () => {
  await server.post('/models/sentiment', { inputs: SECRET, parameters: { top_k: SECRET } });
  await server.post('/models/sentiment', `{"inputs": "${SECRET}`);
  await server.post('/v2/models/sentiment/infer', {
    inputs: [{ name: SECRET, shape: [1], datatype: SECRET, data: [] }],
  });
  await vi.waitFor(() => expect(lines.filter(({ msg }) => msg === 'request answered')).toHaveLength(3));
  expect(JSON.stringify(lines)).not.toContain(SECRET);
});

test('the first answer of a version that was published meanwhile is measured', async () => {
  await home.publish('sentiment/v1', 'sentiment');
  const before = (await server.get('/metrics')).body as string;
  expect(before).not.toMatch(/^modelkeep_publish_to_first_answer_seconds\{/m);
  await server.post('/models/sentiment:2', { inputs: 'fine' });
  const after = (await server.get('/metrics')).body as string;
  const [, seconds] = /^modelkeep_publish_to_first_answer_seconds\{version="sentiment:2"\} (\S+)$/m.exec(after) ?? [];
  expect(Number(seconds)).toBeGreaterThan(0);
  expect(Number(seconds)).toBeLessThan(60);
});

test('a swap that fails again for the same reason is an error in the log once', async () => {
  await using store = await openStore(home.url);
  await store.moveAlias({ model: 'sentiment', alias: 'passing', to: 1 });
  await server.post('/models/sentiment@passing', { inputs: 'fine' });
  await store.removeAlias({ model: 'sentiment', alias: 'passing' });
  const failures = (level: number): number =>
    lines.filter((line) => line['level'] === level && String(line['msg']).startsWith('swap failed')).length;
  await vi.waitFor(() => expect(failures(20)).toBeGreaterThan(0), 5_000);
  expect(failures(50)).toBe(1);
  expect(lines.find(({ level }) => level === 50)).toMatchObject({
    reference: 'sentiment@passing',
    err: { code: 'ALIAS_NOT_FOUND' },
  });
});
