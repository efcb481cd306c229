import { once } from 'node:events';
import { connect, createServer, type AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { ModelkeepError } from '../../src/core/index.js';
import { modelHome, pauseRunner, startServer, untilBusy, type ModelHome, type TestServer } from './http-harness.js';

let home: ModelHome;

beforeAll(async () => {
  home = modelHome();
  await home.publish('sentiment/v1', 'sentiment');
  await home.publish('sentiment/v2', 'sentiment');
});

afterAll(() => home[Symbol.dispose]());

const ask = { inputs: 'fine' };

/** The status of the answer to a request whose body is announced and never sent. */
async function statusBeforeBody({ running: { url } }: TestServer, path: string): Promise<number> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  try {
    socket.write(`POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 20\r\n\r\n`);
    const [answer] = (await once(socket, 'data')) as [Buffer];
    return Number(answer.toString('latin1').slice(9, 12));
  } finally {
    socket.destroy();
  }
}

describe('load', () => {
  test('a full queue is 429 with Retry-After at once, and what was accepted is answered', async () => {
    await using server = await startServer(home, { maxQueue: 1, preload: ['sentiment'] });
    using paused = pauseRunner(server);
    const first = server.post('/models/sentiment', ask);
    await untilBusy(server, 1, 0);
    const second = server.post('/models/sentiment', ask);
    await untilBusy(server, 1, 1);
    const third = await server.post('/models/sentiment', ask);
    expect(third.status).toBe(429);
    expect(third.headers.get('retry-after')).toBe('1');
    expect(third.body).toMatchObject({ code: 'OVERLOADED' });
    // What else is asked is looked at as ever.
    expect((await server.post('/models/sentiment@nobody', ask)).status).toBe(404);
    expect((await server.post('/models/No%20Name', ask)).status).toBe(400);
    expect(await statusBeforeBody(server, '/models/sentiment')).toBe(429);
    expect(await statusBeforeBody(server, '/v2/models/sentiment/infer')).toBe(429);
    const metrics = (await server.get('/metrics')).body;
    expect(metrics).toContain('modelkeep_requests_total{version="sentiment:2",code="OVERLOADED"} 3');
    paused.resume();
    expect((await first).status).toBe(200);
    expect((await second).status).toBe(200);
  });

  test('a client that disconnects frees its place', async () => {
    await using server = await startServer(home, { maxQueue: 1, preload: ['sentiment'] });
    using paused = pauseRunner(server);
    const first = server.post('/models/sentiment', ask);
    await untilBusy(server, 1, 0);
    const client = new AbortController();
    const gone = server.post('/models/sentiment', ask, { signal: client.signal });
    await untilBusy(server, 1, 1);
    client.abort();
    await expect(gone).rejects.toThrow('aborted');
    await untilBusy(server, 1, 0);
    const next = server.post('/models/sentiment', ask);
    await untilBusy(server, 1, 1);
    paused.resume();
    expect((await first).status).toBe(200);
    expect((await next).status).toBe(200);
    const metrics = (await server.get('/metrics')).body;
    expect(metrics).toContain('modelkeep_requests_total{version="sentiment:2",code="CANCELLED"} 1');
  });

  test('close answers what is in flight, and takes nothing new', async () => {
    await using server = await startServer(home, { preload: ['sentiment'] });
    using paused = pauseRunner(server);
    const inFlight = server.post('/models/sentiment', ask);
    await untilBusy(server, 1, 0);
    const closing = server.close();
    await vi.waitFor(() => expect(server.get('/v2/health/live')).rejects.toThrow('fetch failed'));
    paused.resume();
    const answer = await inFlight;
    expect(answer.status).toBe(200);
    expect(answer.headers.get('x-modelkeep-version')).toBe('2');
    await closing;
    expect(server.close()).toBe(closing);
  });
});

describe('deadlines', () => {
  test('a timeout of 1 ms ends while a cold version loads; the next request is answered', async () => {
    await using server = await startServer(home);
    const late = await server.post('/models/sentiment:1', ask, { headers: { 'x-modelkeep-timeout-ms': '1' } });
    expect(late.body).toMatchObject({ code: 'DEADLINE_EXCEEDED' });
    expect(late.status).toBe(504);
    expect((await server.post('/models/sentiment:1', ask)).status).toBe(200);
  });

  test('a timeout counts while a request waits', async () => {
    await using server = await startServer(home, { preload: ['sentiment'] });
    using paused = pauseRunner(server);
    const { status, body } = await server.post('/models/sentiment', ask, {
      headers: { 'x-modelkeep-timeout-ms': '50' },
    });
    expect(body).toMatchObject({ code: 'DEADLINE_EXCEEDED' });
    expect(status).toBe(504);
    paused.resume();
    expect((await server.post('/models/sentiment', ask)).status).toBe(200);
  });

  test('the server’s own limit holds where the client names none', async () => {
    await using server = await startServer(home, { preload: ['sentiment'], requestTimeoutMs: 50 });
    using paused = pauseRunner(server);
    expect((await server.post('/models/sentiment', ask)).status).toBe(504);
    paused.resume();
    const patient = { headers: { 'x-modelkeep-timeout-ms': '10000' } };
    expect((await server.post('/models/sentiment', ask, patient)).status).toBe(200);
  });

  test.each(['-1', '1.5', 'soon', '1e400', '86400001', '2147483648'])(
    'a timeout of %s is INVALID_INPUT',
    async (value) => {
      await using server = await startServer(home);
      const { status, body } = await server.post('/models/sentiment', ask, {
        headers: { 'x-modelkeep-timeout-ms': value },
      });
      expect(body).toMatchObject({ code: 'INVALID_INPUT', error: expect.stringContaining('x-modelkeep-timeout-ms') });
      expect(status).toBe(400);
    },
  );

  test('0 means no limit', async () => {
    await using server = await startServer(home, { requestTimeoutMs: 1 });
    const { status } = await server.post('/models/sentiment', ask, { headers: { 'x-modelkeep-timeout-ms': '0' } });
    expect(status).toBe(200);
  });
});

describe('sizes', () => {
  test('a body over the limit is 413, one below it is answered', async () => {
    await using server = await startServer(home, { maxBodyBytes: 1_000, preload: ['sentiment'] });
    const over = await server.post('/models/sentiment', { inputs: 'a'.repeat(1_000) });
    expect(over.status).toBe(413);
    expect(over.body).toMatchObject({ code: 'INVALID_INPUT', error: expect.stringMatching(/large/) });
    expect((await server.post('/models/sentiment', { inputs: 'a'.repeat(900) })).status).toBe(200);
  });

  test('more tokens than a request may have are refused', async () => {
    await using server = await startServer(home, { maxRequestTokens: 20, preload: ['sentiment'] });
    for (const inputs of ['one two three '.repeat(9), ['a b c d e f g h i j k', 'a b c d e f g h i j k']]) {
      const { status, body } = await server.post('/models/sentiment', { inputs });
      expect(body).toMatchObject({ code: 'INVALID_INPUT', error: expect.stringContaining('maxRequestTokens') });
      expect(status).toBe(400);
    }
    expect((await server.post('/models/sentiment', { inputs: 'one two three' })).status).toBe(200);
    await using open = await startServer(home, { maxRequestTokens: 0, preload: ['sentiment'] });
    expect((await open.post('/models/sentiment', { inputs: 'one two three '.repeat(9) })).status).toBe(200);
  });

  test('JSON nested 100,000 deep harms nobody', async () => {
    await using server = await startServer(home, { preload: ['sentiment'] });
    const deep = '['.repeat(100_000) + ']'.repeat(100_000);
    const hf = await server.post('/models/sentiment', `{"inputs":${deep}}`);
    expect(hf.status).toBe(400);
    const oip = await server.post(
      '/v2/models/sentiment/infer',
      `{"inputs":[{"name":"text","shape":[1],"datatype":"BYTES","data":${deep}}]}`,
    );
    expect(oip.status).toBe(400);
    expect((await server.post('/models/sentiment', ask)).status).toBe(200);
  });
});

describe('the port', () => {
  test('that is taken is INVALID_INPUT naming it, and nothing stays open', async () => {
    const other = createServer();
    other.listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    try {
      const refused = startServer(home, { port });
      await expect(refused).rejects.toBeInstanceOf(ModelkeepError);
      await expect(refused).rejects.toMatchObject({
        code: 'INVALID_INPUT',
        message: expect.stringContaining(String(port)),
      });
    } finally {
      other.close();
      await once(other, 'close');
    }
    await using again = await startServer(home, { port });
    expect((await again.get('/v2/health/live')).status).toBe(200);
  });

  test('with a preloaded reference that is not there serves nothing', async () => {
    await expect(startServer(home, { preload: ['nope'] })).rejects.toMatchObject({ code: 'MODEL_NOT_FOUND' });
  });
});
