import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { connect as connectHttp2 } from 'node:http2';
import { connect } from 'node:net';
import { join } from 'node:path';
import { status as Status } from '@grpc/grpc-js';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { onnxThatEchoes } from '../e2e/onnx-bytes.js';
import { grpcClient, type GrpcClient, type Outcome } from '../unit/protocols/grpc-client.js';
import { modelHome, pauseRunner, startServer, untilBusy, type ModelHome, type TestServer } from './http-harness.js';

let home: ModelHome;
let server: TestServer;
let client: GrpcClient;

beforeAll(async () => {
  home = modelHome();
  writeFileSync(join(home.root, 'floats.onnx'), onnxThatEchoes(['float32']));
  await home.publish(join(home.root, 'floats.onnx'), 'floats');
  await home.publish('sentiment/v2', 'sentiment');
  server = await startServer(home, { maxQueue: 1, preload: ['floats', 'sentiment'] });
  client = grpcClient(server.running.grpc ?? '');
});

afterAll(async () => {
  await client[Symbol.asyncDispose]();
  await server.close();
  home[Symbol.dispose]();
});

// Whatever was sent, the server goes on.
afterEach(async () => {
  const { value, error } = await client.call('ServerReady', {});
  if (value?.ready !== true) throw error ?? new Error('The server is no longer ready');
});

const plain = { name: 'in_float32', datatype: 'FP32', shape: [1], contents: { fp32_contents: [1] } };
const text = { name: 'text', datatype: 'BYTES', shape: [1], contents: { bytes_contents: [Buffer.from('fine')] } };
const ask = { model_name: 'sentiment', inputs: [text] };

const host = '127.0.0.1';
const portOf = ({ running }: TestServer): number => Number((running.grpc ?? '').split(':').at(-1));

/** What comes before a message: not compressed, and so many bytes. */
function frameHead(bytes: number): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(bytes, 1);
  return head;
}

/** A call of ModelInfer on a connection of its own, whose message the test writes. */
async function rawCall(to: TestServer) {
  const session = connectHttp2(`http://${host}:${portOf(to)}`);
  session.on('error', () => undefined);
  await once(session, 'connect');
  const path = '/inference.GRPCInferenceService/ModelInfer';
  const stream = session.request({
    ':method': 'POST',
    ':path': path,
    'content-type': 'application/grpc',
    te: 'trailers',
  });
  stream.on('error', () => undefined);
  const status = new Promise<number>((resolve) => {
    const tell = (headers: Readonly<Record<string, unknown>>) => {
      if (headers['grpc-status'] !== undefined) resolve(Number(headers['grpc-status']));
    };
    stream.on('response', tell).on('trailers', tell).resume();
  });
  const call = {
    status,
    sent: 0,
    write(bytes: Buffer): void {
      if (!stream.writable) return;
      call.sent += bytes.length;
      stream.write(bytes);
    },
    [Symbol.asyncDispose]: async () => {
      const closed = once(session, 'close');
      session.destroy();
      await closed;
    },
  };
  return call;
}

describe('a connection that misbehaves', () => {
  test('by resetting 300 streams harms nobody', async () => {
    const session = connectHttp2(`http://${host}:${portOf(server)}`);
    session.on('error', () => undefined);
    await once(session, 'connect');
    for (let count = 0; count < 300 && !session.destroyed; count += 1) {
      const stream = session.request({ ':method': 'POST', ':path': '/inference.GRPCInferenceService/ModelInfer' });
      stream.on('error', () => undefined);
      stream.close(8);
    }
    expect((await client.call('ModelInfer', { model_name: 'floats', inputs: [plain] })).error).toBeUndefined();
    session.destroy();
  });

  test('by announcing a message of 100 MB is refused before it comes', async () => {
    await using stream = await rawCall(server);
    stream.write(frameHead(100_000_000));
    expect(await stream.status).toBe(Status.RESOURCE_EXHAUSTED);
    expect(stream.sent).toBeLessThan(100);
  });

  test('by a message that trickles is ended in time', async () => {
    await using own = await startServer(home, { receiveTimeoutMs: 400, cacheDir: join(home.root, 'slow') });
    await using stream = await rawCall(own);
    stream.write(frameHead(1_000));
    const trickle = setInterval(() => stream.write(Buffer.of(0)), 50);
    expect(await stream.status).toBe(Status.DEADLINE_EXCEEDED);
    clearInterval(trickle);
  });

  test('by speaking something else is closed', async () => {
    const socket = connect(portOf(server), host);
    socket.on('error', () => undefined);
    socket.resume();
    socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n'.repeat(100));
    await once(socket, 'close');
    expect((await client.call('ServerLive', {})).value).toEqual({ live: true });
  });
});

describe('load', () => {
  test('the deadline of a call is that of its request, and a call that is given up leaves the queue', async () => {
    using paused = pauseRunner(server);
    const first = client.call('ModelInfer', ask);
    await untilBusy(server, 1, 0);
    const late = client.call('ModelInfer', ask, { deadline: Date.now() + 300 });
    await untilBusy(server, 1, 1);
    expect((await late).error?.code).toBe(Status.DEADLINE_EXCEEDED);
    await untilBusy(server, 1, 0);
    const controller = new AbortController();
    const gone = client.call('ModelInfer', ask, { signal: controller.signal });
    await untilBusy(server, 1, 1);
    controller.abort();
    expect((await gone).error?.code).toBe(Status.CANCELLED);
    await untilBusy(server, 1, 0);
    paused.resume();
    expect((await first).error).toBeUndefined();
  });

  test('a full queue is RESOURCE_EXHAUSTED at once, and says when to try again', async () => {
    using paused = pauseRunner(server);
    const accepted = [client.call('ModelInfer', ask)];
    await untilBusy(server, 1, 0);
    accepted.push(client.call('ModelInfer', ask));
    await untilBusy(server, 1, 1);
    const { error }: Outcome = await client.call('ModelInfer', ask);
    expect(error?.code).toBe(Status.RESOURCE_EXHAUSTED);
    expect(error?.metadata.get('grpc-retry-pushback-ms')).toEqual(['1000']);
    paused.resume();
    expect((await Promise.all(accepted)).map((one) => one.error)).toEqual([undefined, undefined]);
  });
});

test('close answers what is in flight, and health says that nothing new is taken', async () => {
  const closing = await startServer(home, { preload: ['sentiment'], cacheDir: join(home.root, 'closing') });
  await using other = grpcClient(closing.running.grpc ?? '');
  const watch = other.watchHealth();
  expect(await watch.next()).toMatchObject({ value: 'SERVING' });
  using paused = pauseRunner(closing);
  const inFlight = other.call('ModelInfer', ask);
  await vi.waitFor(() => expect(closing.running.keep.status().runners[0]?.inFlight).toBe(1));
  const closed = closing.close();
  expect(await watch.next()).toMatchObject({ value: 'NOT_SERVING' });
  paused.resume();
  expect((await inFlight).error).toBeUndefined();
  await closed;
});
