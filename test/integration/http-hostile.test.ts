import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { modelHome, startServer, type ModelHome, type TestServer } from './http-harness.js';

let home: ModelHome;
let server: TestServer;
let opened: Socket[] = [];

beforeAll(async () => {
  home = modelHome();
  await home.publish('sentiment/v1', 'sentiment');
  const limits = { headersTimeoutMs: 300, receiveTimeoutMs: 600, maxHeaderBytes: 4_096, maxConnections: 20 };
  server = await startServer(home, { preload: ['sentiment'], maxBodyBytes: 100_000, ...limits });
});

beforeEach(() => (opened = []));

afterEach(async () => {
  for (const socket of opened) socket.destroy();
  // Whatever was sent, the server answers the next one.
  const { status } = await server.post('/models/sentiment', { inputs: 'fine' });
  if (status !== 200) throw new Error(`The server answers ${status} to a good request`);
});

afterAll(async () => {
  await server.close();
  home[Symbol.dispose]();
});

interface Connection {
  readonly socket: Socket;
  /** Everything that came, when the server has closed the connection. */
  readonly ended: Promise<string>;
}

async function open(): Promise<Connection> {
  const { port, hostname } = new URL(server.running.url);
  const socket = connect(Number(port), hostname);
  opened.push(socket);
  let text = '';
  socket.setEncoding('utf8').on('data', (part: string) => (text += part));
  // A server that closes while more is sent resets the connection.
  socket.on('error', () => undefined);
  const ended = new Promise<string>((resolve) => socket.once('close', () => resolve(text)));
  await once(socket, 'connect');
  return { socket, ended };
}

async function send(text: string | Buffer): Promise<string> {
  const { socket, ended } = await open();
  socket.write(text);
  return ended;
}

const POST = 'POST /models/sentiment HTTP/1.1\r\nhost: x\r\n';

describe('slow clients', () => {
  test('silence ends the connection too', async () => {
    const { ended } = await open();
    expect(await ended).toMatch(/^(HTTP\/1\.1 408 |$)/);
  });

  test('a header that does not end is 408, and the connection closes', async () => {
    expect(await send(POST)).toMatch(/^HTTP\/1\.1 408 /);
  });

  test('a body that does not end is 408, however it trickles', async () => {
    const { socket, ended } = await open();
    socket.write(`${POST}content-length: 1000\r\n\r\n{`);
    const trickle = setInterval(() => socket.write(' '), 100);
    expect(await ended).toMatch(/^(HTTP\/1\.1 408 |$)/);
    clearInterval(trickle);
  });

  test('more connections than allowed are closed at once, and the others go on', async () => {
    const many = await Promise.all(Array.from({ length: 30 }, open));
    let closed = 0;
    for (const { ended } of many) void ended.then(() => (closed += 1));
    await expect.poll(() => closed).toBeGreaterThanOrEqual(10);
  });
});

describe('what is not HTTP', () => {
  test.each([
    ['noise', 'hello\r\n\r\n', 400],
    ['a TLS greeting', Buffer.from('16030100c8010000c40303', 'hex'), 400],
    ['two lengths', `${POST}content-length: 5\r\ncontent-length: 6\r\n\r\n{"a":1}`, 400],
    ['a length and chunks', `${POST}content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`, 400],
    ['a huge header', `GET /v2 HTTP/1.1\r\nhost: x\r\nx-long: ${'a'.repeat(10_000)}\r\n\r\n`, 431],
  ])('%s', async (_what, text, status) => {
    const answer = await send(text);
    expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    expect(JSON.parse(answer.slice(answer.indexOf('\r\n\r\n')))).toEqual({
      error: expect.any(String),
      code: 'INVALID_INPUT',
    });
  });
});

describe('bodies', () => {
  test('100 MB are refused by their length, before they are read', async () => {
    const { socket, ended } = await open();
    socket.write(`${POST}content-length: 100000000\r\nconnection: close\r\n\r\n{`);
    expect(await ended).toMatch(/^HTTP\/1\.1 413 /);
    expect(socket.bytesWritten).toBeLessThan(1_000);
  });

  test('100 MB in chunks are refused when the limit is passed', async () => {
    const { socket, ended } = await open();
    socket.write(`${POST}transfer-encoding: chunked\r\nconnection: close\r\n\r\n`);
    const chunk = `10000\r\n${' '.repeat(0x10000)}\r\n`;
    for (let sent = 0; sent < 100_000_000 && socket.writable; sent += 0x10000) {
      if (!socket.write(chunk)) await Promise.race([once(socket, 'drain').catch(() => undefined), ended]);
    }
    await ended;
    expect(socket.bytesWritten).toBeLessThan(50_000_000);
  });

  test.each([
    ['invalid UTF-8', Buffer.concat([Buffer.from('{"inputs":"'), Buffer.from([0xc3, 0x28]), Buffer.from('"}')])],
    ['an overlong form', Buffer.concat([Buffer.from('{"inputs":"'), Buffer.from([0xc0, 0xaf]), Buffer.from('"}')])],
    ['UTF-16', Buffer.from('{"inputs":"x"}', 'utf16le')],
    ['half a surrogate pair', Buffer.from('{"inputs":"\\ud800"}')],
    ['deep lists', Buffer.from(`{"inputs":${'['.repeat(40_000)}${']'.repeat(40_000)}}`)],
    ['half a document', Buffer.from('{"inputs":')],
    ['two documents', Buffer.from('{"inputs":"x"}{"inputs":"y"}')],
    ['a number', Buffer.from('7')],
    ['null', Buffer.from('null')],
    ['an option beyond every number', Buffer.from('{"inputs":"x","parameters":{"top_k":1e400}}')],
    ['a prototype', Buffer.from('{"__proto__":{"inputs":"x"}}')],
  ])('%s is 400', async (_what, body) => {
    const response = await fetch(`${server.running.url}/models/sentiment`, { method: 'POST', body });
    expect(await response.json()).toMatchObject({ code: 'INVALID_INPUT', error: expect.stringMatching(/\w/) });
    expect(response.status).toBe(400);
  });
});

describe('what is not there', () => {
  test.each([
    ['/models/sentiment:9', 404, 'VERSION_NOT_FOUND'],
    ['/models/sentiment:0', 400, 'INVALID_REFERENCE'],
    ['/models/sentiment:99999999999999999999', 400, 'INVALID_REFERENCE'],
    ['/models/sentiment@nope', 404, 'ALIAS_NOT_FOUND'],
    ['/models/sentiment@sha256:00000000', 404, 'VERSION_NOT_FOUND'],
    ['/models/..%2f..%2fetc%2fpasswd', 400, 'INVALID_REFERENCE'],
    ['/models/%00', 400, 'INVALID_REFERENCE'],
    [`/models/${'a'.repeat(900)}`, 400, 'INVALID_REFERENCE'],
    ['/models/', 400, 'INVALID_REFERENCE'],
    ['/v2/models/sentiment/versions/9/infer', 404, 'VERSION_NOT_FOUND'],
  ])('%s is %s', async (path, status, code) => {
    const body = path.startsWith('/v2')
      ? { inputs: [{ name: 'text', shape: [1], datatype: 'BYTES', data: ['x'] }] }
      : { inputs: 'x' };
    const answer = await server.post(path, body);
    expect(answer).toMatchObject({ status, body: { code } });
  });

  test('a path that cannot be read is 400', async () => {
    expect(await server.post('/models/%zz', { inputs: 'x' })).toMatchObject({
      status: 400,
      body: { code: 'INVALID_INPUT' },
    });
  });
});
