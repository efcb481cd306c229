import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { connect as connectHttp2 } from 'node:http2';
import { connect } from 'node:net';
import { join } from 'node:path';
import { compressionAlgorithms, status as Status } from '@grpc/grpc-js';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { addKey } from '../../src/access/index.js';
import { ELEMENT_TYPES, onnxThatEchoes } from '../e2e/onnx-bytes.js';
import { grpcClient, type GrpcClient, type Outcome } from '../unit/protocols/grpc-client.js';
import { modelHome, startServer, type ModelHome, type TestServer } from './http-harness.js';

type Type = keyof typeof ELEMENT_TYPES;

/** Each datatype with values in typed contents (where it has that form) and as bytes. */
const SAMPLES: readonly { type: Type; datatype: string; contents?: object; raw: Uint8Array }[] = [
  { type: 'bool', datatype: 'BOOL', contents: { bool_contents: [true, false] }, raw: Uint8Array.of(1, 0) },
  { type: 'uint8', datatype: 'UINT8', contents: { uint_contents: [0, 255] }, raw: Uint8Array.of(0, 255) },
  { type: 'uint16', datatype: 'UINT16', contents: { uint_contents: [1, 2] }, raw: bytesOf(Uint16Array.of(1, 2)) },
  {
    type: 'uint32',
    datatype: 'UINT32',
    contents: { uint_contents: [1, 4_294_967_295] },
    raw: bytesOf(Uint32Array.of(1, 4_294_967_295)),
  },
  {
    type: 'uint64',
    datatype: 'UINT64',
    contents: { uint64_contents: ['1', '18446744073709551615'] },
    raw: bytesOf(BigUint64Array.of(1n, 2n ** 64n - 1n)),
  },
  { type: 'int8', datatype: 'INT8', contents: { int_contents: [-128, 127] }, raw: bytesOf(Int8Array.of(-128, 127)) },
  {
    type: 'int16',
    datatype: 'INT16',
    contents: { int_contents: [-32_768, 1] },
    raw: bytesOf(Int16Array.of(-32_768, 1)),
  },
  { type: 'int32', datatype: 'INT32', contents: { int_contents: [-7, 1] }, raw: bytesOf(Int32Array.of(-7, 1)) },
  {
    type: 'int64',
    datatype: 'INT64',
    contents: { int64_contents: ['-9223372036854775808', '7'] },
    raw: bytesOf(BigInt64Array.of(-(2n ** 63n), 7n)),
  },
  { type: 'float16', datatype: 'FP16', raw: bytesOf(Uint16Array.of(0x3c00, 0x7e01)) },
  {
    type: 'float32',
    datatype: 'FP32',
    contents: { fp32_contents: [0.5, Infinity] },
    raw: bytesOf(Float32Array.of(0.5, Infinity)),
  },
  { type: 'float64', datatype: 'FP64', contents: { fp64_contents: [0.1, -2] }, raw: bytesOf(Float64Array.of(0.1, -2)) },
  {
    type: 'string',
    datatype: 'BYTES',
    contents: { bytes_contents: [Buffer.from('ä'), Buffer.alloc(0)] },
    raw: Uint8Array.of(2, 0, 0, 0, 0xc3, 0xa4, 0, 0, 0, 0),
  },
];

function bytesOf({ buffer }: { readonly buffer: ArrayBufferLike }): Uint8Array {
  return new Uint8Array(buffer);
}

interface InferResponse {
  readonly model_version: string;
  readonly id: string;
  readonly outputs: readonly { readonly name: string; readonly datatype: string; readonly contents: object | null }[];
  readonly raw_output_contents: readonly Buffer[];
}

let home: ModelHome;
let server: TestServer;
let client: GrpcClient;

beforeAll(async () => {
  home = modelHome();
  const typed = (Object.keys(ELEMENT_TYPES) as Type[]).filter((type) => type !== 'float16');
  writeFileSync(join(home.root, 'echo.onnx'), onnxThatEchoes(Object.keys(ELEMENT_TYPES) as Type[]));
  writeFileSync(join(home.root, 'typed.onnx'), onnxThatEchoes(typed));
  writeFileSync(join(home.root, 'floats.onnx'), onnxThatEchoes(['float32']));
  for (const name of ['echo', 'typed', 'floats']) await home.publish(join(home.root, `${name}.onnx`), name);
  await home.publish('sentiment/v1', 'sentiment');
  await home.publish('sentiment/v2', 'sentiment');
  await home.setAlias('sentiment', 'old', 1);
  server = await startServer(home, { maxBodyBytes: 100_000, maxQueue: 1, preload: ['floats', 'sentiment'] });
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

async function infer(request: object): Promise<InferResponse> {
  const { value, error } = await client.call('ModelInfer', request);
  if (error !== undefined) throw error;
  return value as unknown as InferResponse;
}

const plain = { name: 'in_float32', datatype: 'FP32', shape: [1], contents: { fp32_contents: [1] } };
const raw = { name: 'in_float32', datatype: 'FP32', shape: [1] };
const four = Buffer.alloc(4);
const text = (value: string) => {
  return { name: 'text', datatype: 'BYTES', shape: [1], contents: { bytes_contents: [Buffer.from(value)] } };
};

describe('every datatype', () => {
  test('goes in and comes out in raw form, bit for bit, in the order that was asked for', async () => {
    const answer = await infer({
      model_name: 'echo',
      id: 'r-1',
      inputs: SAMPLES.map(({ type, datatype }) => ({ name: `in_${type}`, datatype, shape: [2] })),
      outputs: SAMPLES.map(({ type }) => ({ name: `out_${type}` })),
      raw_input_contents: SAMPLES.map((sample) => sample.raw),
    });
    expect(answer).toMatchObject({ id: 'r-1', model_version: '1' });
    expect(answer.outputs.map(({ name, datatype }) => ({ name, datatype }))).toEqual(
      SAMPLES.map(({ type, datatype }) => ({ name: `out_${type}`, datatype })),
    );
    expect(answer.raw_output_contents.map((bytes) => bytes.toString('hex'))).toEqual(
      SAMPLES.map((sample) => Buffer.from(sample.raw).toString('hex')),
    );
  });

  test('goes in and comes out in typed contents', async () => {
    const typed = SAMPLES.filter(({ contents }) => contents !== undefined);
    const answer = await infer({
      model_name: 'typed',
      inputs: typed.map(({ type, datatype, contents }) => ({ name: `in_${type}`, datatype, shape: [2], contents })),
      outputs: typed.map(({ type }) => ({ name: `out_${type}` })),
    });
    expect(answer.raw_output_contents).toEqual([]);
    answer.outputs.forEach(({ contents }, index) => expect(contents).toMatchObject(typed[index]?.contents ?? {}));
  });

  test('BF16 goes in as the FP32 that it is', async () => {
    const input = { ...raw, datatype: 'BF16', shape: [2] };
    const request = {
      model_name: 'floats',
      inputs: [input],
      raw_input_contents: [bytesOf(Uint16Array.of(0x3f80, 0xc000))],
    };
    expect((await infer(request)).raw_output_contents[0]?.equals(bytesOf(Float32Array.of(1, -2)))).toBe(true);
  });
});

describe('a text model', () => {
  test('answers by number, by alias and by name, with options of its task', async () => {
    for (const [model_version, version] of [
      ['1', '1'],
      ['old', '1'],
      ['', '2'],
    ] as const) {
      const parameters = { top_k: { int64_param: '2' }, timeout: { int64_param: '30000000' } };
      const answer = await infer({ model_name: 'sentiment', model_version, inputs: [text('fine')], parameters });
      expect(answer.model_version).toBe(version);
      const [output] = answer.outputs as readonly {
        readonly contents: { readonly bytes_contents: readonly Buffer[] };
      }[];
      expect(JSON.parse(output?.contents.bytes_contents[0]?.toString() ?? '')).toHaveLength(2);
    }
  });

  test('is ready by number and by followed name, and described', async () => {
    expect((await client.call('ModelReady', { name: 'sentiment' })).value).toEqual({ ready: true });
    expect((await client.call('ModelReady', { name: 'sentiment', version: '2' })).value).toEqual({ ready: true });
    expect((await client.call('ModelReady', { name: 'nothing' })).value).toEqual({ ready: false });
    expect((await client.call('ModelMetadata', { name: 'sentiment', version: 'old' })).value).toMatchObject({
      name: 'sentiment',
      versions: ['1', '2'],
      platform: 'modelkeep_hf',
      inputs: [{ name: 'text', datatype: 'BYTES', shape: ['-1'] }],
    });
  });
});

describe('a request that is wrong', () => {
  test.each([
    ['an unknown input', { inputs: [{ ...plain, name: 'nope' }] }, '"nope"'],
    [
      'another datatype',
      { inputs: [{ ...plain, datatype: 'FP64', contents: { fp64_contents: [1] } }] },
      '"in_float32"',
    ],
    ['contents of another datatype', { inputs: [{ ...plain, contents: { fp64_contents: [1] } }] }, 'fp64_contents'],
    ['an unknown datatype', { inputs: [{ ...plain, datatype: 'FP99' }] }, 'FP99'],
    ['FP16 in typed contents', { inputs: [{ ...plain, datatype: 'FP16' }] }, 'raw_input_contents'],
    ['another rank', { inputs: [{ ...plain, shape: [1, 1] }] }, '"in_float32"'],
    ['a negative dimension', { inputs: [{ ...plain, shape: [-1] }] }, '"in_float32"'],
    ['a dimension of 2^62', { inputs: [{ ...plain, shape: ['4611686018427387904'] }] }, '"in_float32"'],
    ['too few values', { inputs: [{ ...plain, shape: [2] }] }, '"in_float32"'],
    ['an INT8 of 200', { inputs: [{ ...plain, datatype: 'INT8', contents: { int_contents: [200] } }] }, '"in_float32"'],
    ['no inputs', { inputs: [] }, 'inputs'],
    ['101 inputs', { inputs: Array.from({ length: 101 }, () => plain) }, '101'],
    ['an input twice', { inputs: [plain, plain] }, '"in_float32"'],
    ['an unknown output', { inputs: [plain], outputs: [{ name: 'nope' }] }, '"nope"'],
    ['one raw for two inputs', { inputs: [raw, raw], raw_input_contents: [four] }, 'raw_input_contents'],
    ['contents beside raw', { inputs: [plain], raw_input_contents: [four] }, '"in_float32"'],
    ['too few bytes', { inputs: [raw], raw_input_contents: [Buffer.alloc(3)] }, '"in_float32"'],
    ['a parameter without a value', { inputs: [plain], parameters: { p: {} } }, '"p"'],
    ['a parameter of 2^60', { inputs: [plain], parameters: { p: { int64_param: String(2n ** 60n) } } }, '"p"'],
    ['a timeout of text', { inputs: [plain], parameters: { timeout: { string_param: '1' } } }, '"timeout"'],
    ['an endless id', { inputs: [plain], id: 'x'.repeat(1_001) }, '"id"'],
  ])('by %s is INVALID_ARGUMENT, and names it', async (_what, request, named) => {
    const { error } = await client.call('ModelInfer', { model_name: 'floats', ...request });
    expect(error?.details).toContain(named);
    expect(error?.code).toBe(Status.INVALID_ARGUMENT);
  });

  test('by text that is no UTF-8', async () => {
    const input = { ...text(''), contents: { bytes_contents: [Buffer.of(0xc3, 0x28)] } };
    const { error } = await client.call('ModelInfer', { model_name: 'sentiment', inputs: [input] });
    expect(error?.details).toContain('"text"');
    expect(error?.code).toBe(Status.INVALID_ARGUMENT);
  });

  test.each([
    ['99', Status.NOT_FOUND],
    ['nobody', Status.NOT_FOUND],
    ['-1', Status.INVALID_ARGUMENT],
  ])('by asking version %s', async (model_version, status) => {
    expect(
      (await client.call('ModelInfer', { model_name: 'floats', model_version, inputs: [plain] })).error?.code,
    ).toBe(status);
  });

  test.each([
    ['noise', Buffer.from('ff'.repeat(50), 'hex')],
    ['a field that is cut off', Buffer.of(0x3a, 0x7f, 0x61)],
    ['groups 50,000 deep', Buffer.alloc(50_000, 0x0b)],
    ['nothing', Buffer.alloc(0)],
  ])('by a message that is %s', async (_what, bytes) => {
    const { error } = await client.callRaw('ModelInfer', bytes);
    expect(error?.code).toBe(Status.INVALID_ARGUMENT);
    expect(error?.details).toMatch(/\w/);
  });

  test('by a message over the limit, also where it is compressed', async () => {
    const inputs = [{ ...raw, shape: [50_000] }];
    const request = { model_name: 'floats', inputs, raw_input_contents: [Buffer.alloc(200_000)] };
    expect((await client.call('ModelInfer', request)).error?.code).toBe(Status.RESOURCE_EXHAUSTED);
    await using zipped = grpcClient(server.running.grpc ?? '', {
      'grpc.default_compression_algorithm': compressionAlgorithms.gzip,
    });
    expect((await zipped.call('ModelInfer', request)).error?.code).toBe(Status.RESOURCE_EXHAUSTED);
    const small = {
      model_name: 'floats',
      inputs: [{ ...raw, shape: [10_000] }],
      raw_input_contents: [Buffer.alloc(40_000)],
    };
    expect((await zipped.call('ModelInfer', small)).error).toBeUndefined();
  });
});

const host = '127.0.0.1';
const portOf = ({ running }: TestServer): number => Number((running.grpc ?? '').split(':').at(-1));

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

  test('by speaking something else is closed', async () => {
    const socket = connect(portOf(server), host);
    socket.on('error', () => undefined);
    socket.resume();
    socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n'.repeat(100));
    await once(socket, 'close');
    expect((await client.call('ServerLive', {})).value).toEqual({ live: true });
  });
});

/** Stops the only runner, so that what is asked meanwhile stays in flight, until it is resumed. */
function pauseRunner({ running }: TestServer): Disposable & { resume(): void } {
  const [runner] = running.keep.status().runners;
  if (runner === undefined) throw new Error('There is no runner to pause');
  process.kill(runner.pid, 'SIGSTOP');
  let paused = true;
  const resume = (): void => {
    if (paused) process.kill(runner.pid, 'SIGCONT');
    paused = false;
  };
  return { resume, [Symbol.dispose]: resume };
}

const waiting = () => server.running.keep.status().waiting['sentiment:2'] ?? 0;
const untilBusy = (inFlight: number, more: number): Promise<void> =>
  vi.waitFor(() => {
    expect(server.running.keep.status().runners.map((runner) => runner.inFlight)).toEqual([inFlight]);
    expect(waiting()).toBe(more);
  });

describe('load', () => {
  const ask = { model_name: 'sentiment', inputs: [text('fine')] };

  test('the deadline of a call is that of its request, and a call that is given up leaves the queue', async () => {
    using paused = pauseRunner(server);
    const first = client.call('ModelInfer', ask);
    await untilBusy(1, 0);
    const late = client.call('ModelInfer', ask, { deadline: Date.now() + 300 });
    await untilBusy(1, 1);
    expect((await late).error?.code).toBe(Status.DEADLINE_EXCEEDED);
    await untilBusy(1, 0);
    const controller = new AbortController();
    const gone = client.call('ModelInfer', ask, { signal: controller.signal });
    await untilBusy(1, 1);
    controller.abort();
    expect((await gone).error?.code).toBe(Status.CANCELLED);
    await untilBusy(1, 0);
    paused.resume();
    expect((await first).error).toBeUndefined();
  });

  test('a full queue is RESOURCE_EXHAUSTED at once, and says when to try again', async () => {
    using paused = pauseRunner(server);
    const accepted = [client.call('ModelInfer', ask)];
    await untilBusy(1, 0);
    accepted.push(client.call('ModelInfer', ask));
    await untilBusy(1, 1);
    const { error }: Outcome = await client.call('ModelInfer', ask);
    expect(error?.code).toBe(Status.RESOURCE_EXHAUSTED);
    expect(error?.metadata.get('grpc-retry-pushback-ms')).toEqual(['1000']);
    paused.resume();
    expect((await Promise.all(accepted)).map((one) => one.error)).toEqual([undefined, undefined]);
  });
});

describe('who asks', () => {
  let guarded: TestServer;
  let other: GrpcClient;
  const keys: Record<string, string> = {};
  const as = (name: string) => ({ metadata: { authorization: `Bearer ${keys[name]}` } });

  beforeAll(async () => {
    const file = join(home.root, 'keys.json');
    keys.admin = (await addKey(file, { name: 'admin', scopes: ['admin'] })).key;
    keys.floats = (await addKey(file, { name: 'floats', scopes: ['infer'], models: ['floats'] })).key;
    guarded = await startServer(home, { authKeys: file, cacheDir: join(home.root, 'guarded') });
    other = grpcClient(guarded.running.grpc ?? '');
  });

  afterAll(async () => {
    await other[Symbol.asyncDispose]();
    await guarded.close();
  });

  test('health is open, all else needs credentials', async () => {
    expect((await other.call('ServerLive', {})).value).toEqual({ live: true });
    expect((await other.call('Check', {})).value).toEqual({ status: 'SERVING' });
    expect((await other.call('ServerMetadata', {})).error?.code).toBe(Status.UNAUTHENTICATED);
    const { error } = await other.call('ModelInfer', {}, { metadata: { authorization: 'Bearer mk_nobody' } });
    expect(error?.code).toBe(Status.UNAUTHENTICATED);
  });

  test('a key does what its scopes and models allow, and sees no more', async () => {
    const asked = (model_name: string) => other.call('ModelInfer', { model_name, inputs: [plain] }, as('floats'));
    expect((await asked('floats')).error).toBeUndefined();
    expect((await asked('typed')).error?.code).toBe(Status.PERMISSION_DENIED);
    expect((await asked('nothing')).error?.code).toBe(Status.PERMISSION_DENIED);
    const load = { model_name: 'floats' };
    expect((await other.call('RepositoryModelLoad', load, as('floats'))).error?.code).toBe(Status.PERMISSION_DENIED);
    const { value } = await other.call('RepositoryIndex', {}, as('floats'));
    expect(value?.models).toMatchObject([{ name: 'floats', version: '1', state: 'READY' }]);
  });

  test('load and unload take the name in either place', async () => {
    for (const request of [{ model_name: 'typed' }, { repository_name: 'typed' }]) {
      expect((await other.call('RepositoryModelLoad', request, as('admin'))).value).toEqual({
        model_name: 'typed',
        isLoaded: true,
      });
      expect((await other.call('RepositoryModelUnload', request, as('admin'))).value).toMatchObject({
        isUnloaded: true,
      });
    }
  });
});

test('with a port for management nobody loads over gRPC', async () => {
  await using split = await startServer(home, { adminPort: 0, cacheDir: join(home.root, 'split') });
  await using other = grpcClient(split.running.grpc ?? '');
  expect((await other.call('RepositoryModelLoad', { model_name: 'floats' })).error?.code).toBe(
    Status.PERMISSION_DENIED,
  );
});

test('off is off, and a port that is taken is named', async () => {
  await using without = await startServer(home, { grpcPort: 'off', cacheDir: join(home.root, 'off') });
  expect(without.running.grpc).toBeUndefined();
  const taken = portOf(server);
  await expect(startServer(home, { grpcPort: taken, cacheDir: join(home.root, 'off') })).rejects.toMatchObject({
    code: 'INVALID_INPUT',
    message: expect.stringContaining('--grpc-port'),
  });
});

test('close answers what is in flight, and health says that nothing new is taken', async () => {
  const closing = await startServer(home, { preload: ['sentiment'], cacheDir: join(home.root, 'closing') });
  await using other = grpcClient(closing.running.grpc ?? '');
  const watch = other.watchHealth();
  expect(await watch.next()).toMatchObject({ value: 'SERVING' });
  using paused = pauseRunner(closing);
  const inFlight = other.call('ModelInfer', { model_name: 'sentiment', inputs: [text('fine')] });
  await vi.waitFor(() => expect(closing.running.keep.status().runners[0]?.inFlight).toBe(1));
  const closed = closing.close();
  expect(await watch.next()).toMatchObject({ value: 'NOT_SERVING' });
  paused.resume();
  expect((await inFlight).error).toBeUndefined();
  await closed;
});
