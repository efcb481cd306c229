import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { modelHome, startServer, type ModelHome, type TestServer } from './http-harness.js';

let home: ModelHome;
let server: TestServer;

beforeAll(async () => {
  home = modelHome();
  await home.publish('sentiment/v2', 'sentiment');
  server = await startServer(home);
});

afterAll(async () => {
  await server.close();
  home[Symbol.dispose]();
});

test('says what it is', async () => {
  const { status, body } = await server.get('/v2');
  expect(status).toBe(200);
  expect(body).toEqual({
    name: 'modelkeep',
    version: '0.0.0-test',
    extensions: ['binary_tensor_data', 'model_repository', 'parameters'],
  });
});

test('is live and ready, and says how the store is', async () => {
  expect((await server.get('/v2/health/live')).body).toEqual({ live: true });
  const { status, body } = await server.get('/v2/health/ready');
  expect(status).toBe(200);
  expect(body).toMatchObject({ ready: true, store: { reachable: true, since: expect.stringMatching(/Z$/) } });
  expect(body).toMatchObject({ runners: { serving: 1, missing: 0 } });
});

test('a model is ready once it was loaded, and not before', async () => {
  await using fresh = await startServer(home);
  const before = await fresh.get('/v2/models/sentiment/ready');
  expect(before.status).toBe(409);
  expect(before.body).toEqual({ name: 'sentiment', ready: false });
  expect((await fresh.post('/models/sentiment', { inputs: 'fine' })).status).toBe(200);
  const after = await fresh.get('/v2/models/sentiment/ready');
  expect(after.status).toBe(200);
  expect(after.body).toEqual({ name: 'sentiment', ready: true });
  expect((await fresh.get('/v2/models/Not a name/ready')).status).toBe(400);
});

test('status says what is held, followed and run', async () => {
  await server.post('/models/sentiment', { inputs: 'fine' });
  const { status, body } = await server.get('/status');
  expect(status).toBe(200);
  expect(body).toEqual({
    store: { reachable: true, since: expect.any(String) },
    follows: [{ reference: 'sentiment', version: 1, since: expect.any(String) }],
    holds: [
      {
        model: 'sentiment',
        version: 1,
        state: 'ready',
        since: expect.any(String),
        leases: 0,
        bytes: expect.any(Number),
        runners: 1,
        pinned: false,
        precision: 'fp32',
        compiled: false,
      },
    ],
    waiting: {},
    runners: [{ pid: expect.any(Number), mode: 'free', inFlight: 0 }],
    runnersMissing: 0,
    runnersHung: 0,
    runnerRestarts: 0,
  });
});

test('metrics have every series that is promised', async () => {
  await server.post('/models/sentiment', { inputs: ['fine', 'a much longer text than the other one'] });
  const { status, headers, body } = await server.get('/metrics');
  expect(status).toBe(200);
  expect(headers.get('content-type')).toMatch(/^text\/plain/);
  const text = body as string;
  const types = Object.fromEntries([...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => [name, type]));
  expect(types).toMatchObject({
    modelkeep_requests_total: 'counter',
    modelkeep_request_seconds: 'histogram',
    modelkeep_batch_requests: 'histogram',
    modelkeep_tokens_total: 'counter',
    modelkeep_transitions_total: 'counter',
    modelkeep_fetched_bytes_total: 'counter',
    modelkeep_swaps_total: 'counter',
    modelkeep_publish_to_first_answer_seconds: 'gauge',
    modelkeep_publish_to_swap_seconds: 'gauge',
    modelkeep_waiting_requests: 'gauge',
    modelkeep_resident_bytes: 'gauge',
    modelkeep_store_reachable: 'gauge',
    modelkeep_runner_restarts: 'gauge',
    modelkeep_runner_renewals_total: 'counter',
    modelkeep_evictions_total: 'counter',
    modelkeep_memory_bytes: 'gauge',
  });
  expect(text).toContain('modelkeep_store_reachable 1\n');
  expect(text).toContain('modelkeep_runner_restarts 0\n');
  expect(text).toMatch(/^modelkeep_requests_total\{version="sentiment:1",code="OK"\} [1-9]/m);
  expect(text).toMatch(
    /^modelkeep_resident_bytes\{version="sentiment:1",state="ready",precision="fp32",form="plain"\} 5\d{6}$/m,
  );
  expect(text).toMatch(/^modelkeep_transitions_total\{from="warming",to="ready"\} 1$/m);
  for (const part of ['queue', 'tokenize', 'run', 'total']) {
    expect(text).toMatch(new RegExp(`^modelkeep_request_seconds_count\\{part="${part}"\\} [1-9]`, 'm'));
  }
});

test('a runner that ends is counted and replaced', async () => {
  await using own = await startServer(home, { preload: ['sentiment'] });
  const [runner] = own.running.keep.status().runners;
  process.kill(runner?.pid ?? 0, 'SIGKILL');
  await vi.waitFor(async () => expect((await own.get('/metrics')).body).toContain('modelkeep_runner_restarts 1\n'));
  expect((await own.post('/models/sentiment', { inputs: 'fine' })).status).toBe(200);
});

test('a failed request is counted under its code', async () => {
  await server.post('/models/nope', { inputs: 'x' });
  const text = (await server.get('/metrics')).body as string;
  expect(text).toContain('modelkeep_requests_total{version="",code="MODEL_NOT_FOUND"} 1');
});

test('a version that is published while it serves answers without a restart', async () => {
  await using own = await startServer(home, { pollIntervalMs: 50 });
  const before = await own.post('/models/sentiment', { inputs: 'fine' });
  expect(before.headers.get('x-modelkeep-version')).toBe('1');
  const { follower } = own.running.keep.parts;
  const swapped = new Promise<void>((resolve) => follower.once('swapped', () => resolve()));
  await home.publish('sentiment/v3-head', 'sentiment');
  await swapped;
  const after = await own.post('/models/sentiment', { inputs: 'fine' });
  expect(after.headers.get('x-modelkeep-version')).toBe('2');
  const text = (await own.get('/metrics')).body as string;
  expect(text).toContain('modelkeep_swaps_total{outcome="done"} 1');
  expect(text).toMatch(/^modelkeep_publish_to_swap_seconds\{reference="sentiment",version="2"\} [0-9.]+$/m);
  expect(text).toMatch(/^modelkeep_publish_to_first_answer_seconds\{version="sentiment:2"\} [0-9.]+$/m);
});
