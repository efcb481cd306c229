import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { compressionAlgorithms, status as Status } from '@grpc/grpc-js';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { ELEMENT_TYPES, onnxThatEchoes } from '../e2e/onnx-bytes.js';
import { grpcClient, type GrpcClient } from '../unit/protocols/grpc-client.js';
import { modelHome, startServer, type ModelHome, type TestServer } from './http-harness.js';
import { bytesOf, SAMPLES, type SampleType } from './tensor-samples.js';

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
  const typed = (Object.keys(ELEMENT_TYPES) as SampleType[]).filter((type) => type !== 'float16');
  writeFileSync(join(home.root, 'echo.onnx'), onnxThatEchoes(Object.keys(ELEMENT_TYPES) as SampleType[]));
  writeFileSync(join(home.root, 'typed.onnx'), onnxThatEchoes(typed));
  writeFileSync(join(home.root, 'floats.onnx'), onnxThatEchoes(['float32']));
  for (const name of ['echo', 'typed', 'floats']) await home.publish(join(home.root, `${name}.onnx`), name);
  await home.publish('sentiment/v1', 'sentiment');
  await home.publish('sentiment/v2', 'sentiment');
  await home.setAlias('sentiment', 'old', 1);
  server = await startServer(home, { maxBodyBytes: 100_000, preload: ['floats', 'sentiment'] });
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

const said = (value: string) => ({ content_type: { string_param: value } });
const parametersGiven = async (request: object) => {
  const { outputs } = await infer(request);
  return outputs.map((output) => (output as { parameters?: Record<string, { string_param?: string }> }).parameters);
};
const ofType = (value: string) => [{ content_type: expect.objectContaining({ string_param: value }) as unknown }];

test('outputs say their content type where inputs do', async () => {
  const words = { ...text('fine'), parameters: said('str') };
  expect(await parametersGiven({ model_name: 'sentiment', inputs: [words] })).toEqual(ofType('str'));
  expect(await parametersGiven({ model_name: 'floats', inputs: [{ ...plain, parameters: said('np') }] })).toEqual(
    ofType('np'),
  );
  expect(await parametersGiven({ model_name: 'floats', inputs: [plain] })).toEqual([{}]);
  const odd = { ...plain, parameters: said('base64') };
  const { error } = await client.call('ModelInfer', { model_name: 'floats', inputs: [odd] });
  expect(error).toMatchObject({ code: Status.INVALID_ARGUMENT, details: expect.stringContaining('content_type') });
});

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

  test('NaN, infinities and the ends of 64 bits come back in typed contents, digit for digit', async () => {
    const odd: readonly (readonly [string, string, string, readonly (number | string)[]])[] = [
      ['in_float32', 'FP32', 'fp32_contents', [Number.NaN, -Infinity]],
      ['in_float64', 'FP64', 'fp64_contents', [Infinity, Number.NaN]],
      ['in_int64', 'INT64', 'int64_contents', ['-9223372036854775808', '9223372036854775807']],
      ['in_uint64', 'UINT64', 'uint64_contents', ['9007199254740993', '18446744073709551615']],
    ];
    const given = new Set(odd.map(([name]) => name));
    const others = SAMPLES.filter(({ type, contents }) => contents !== undefined && !given.has(`in_${type}`));
    const inputs = [
      ...odd.map(([name, datatype, field, values]) => ({ name, datatype, shape: [2], contents: { [field]: values } })),
      ...others.map(({ type, datatype, contents }) => ({ name: `in_${type}`, datatype, shape: [2], contents })),
    ];
    const outputs = odd.map(([name]) => ({ name: name.replace('in', 'out') }));
    const answer = await infer({ model_name: 'typed', inputs, outputs });
    answer.outputs.forEach(({ contents }, at) => expect(contents).toMatchObject({ [odd[at]![2]]: odd[at]![3] }));
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
      platform: 'onnxruntime_safetensors',
      inputs: [{ name: 'text', datatype: 'BYTES', shape: ['-1'] }],
    });
  });
});

describe('a request that is wrong', () => {
  test.each([
    ['an unknown input', { inputs: [plain, { ...plain, name: 'nope' }] }, '"nope"'],
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
    ['NaN', { double_param: Number.NaN }],
    ['infinity', { double_param: Infinity }],
    ['a text', { string_param: '2' }],
    ['2^53 - 1', { int64_param: String(2 ** 53 - 1) }],
  ])('by an option of its task that is %s', async (_what, top_k) => {
    const { error } = await client.call('ModelInfer', {
      model_name: 'sentiment',
      inputs: [text('fine')],
      parameters: { top_k },
    });
    expect(error?.details).toContain('top_k');
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
    ['named in no UTF-8', Buffer.of(0x0a, 0x02, 0xc3, 0x28)],
    ['a list of 100,000 inputs', Buffer.alloc(200_000).fill(Buffer.of(0x2a, 0x00)).subarray(0, 99_000)],
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
