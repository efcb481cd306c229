import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { deflateSync, gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { ELEMENT_TYPES, onnxThatEchoes } from '../e2e/onnx-bytes.js';
import { modelHome, startServer, type ModelHome, type TestServer } from './http-harness.js';
import { bytesOf, SAMPLES, type SampleType } from './tensor-samples.js';

interface Output {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
  readonly data?: readonly unknown[];
  readonly parameters?: { readonly binary_data_size: number };
}

interface InferAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly json: { readonly outputs: readonly Output[]; readonly error?: string; readonly code?: string };
  readonly raw: Buffer;
}

let home: ModelHome;
let server: TestServer;

beforeAll(async () => {
  home = modelHome();
  writeFileSync(join(home.root, 'echo.onnx'), onnxThatEchoes(Object.keys(ELEMENT_TYPES) as SampleType[]));
  writeFileSync(join(home.root, 'floats.onnx'), onnxThatEchoes(['float32']));
  await home.publish(join(home.root, 'echo.onnx'), 'echo');
  await home.publish(join(home.root, 'floats.onnx'), 'floats');
  await home.publish('sentiment/v1', 'sentiment');
  server = await startServer(home, { maxBodyBytes: 1_000_000, preload: ['floats'] });
});

afterAll(async () => {
  await server.close();
  home[Symbol.dispose]();
});

// Whatever was sent, the server goes on.
afterEach(async () => {
  const { status } = await server.get('/v2/health/live');
  if (status !== 200) throw new Error(`The server is no longer well: ${status}`);
});

async function send(path: string, body: Uint8Array, headers: Readonly<Record<string, string>> = {}) {
  const response = await fetch(`${server.running.url}${path}`, { method: 'POST', body: Buffer.from(body), headers });
  const bytes = Buffer.from(await response.arrayBuffer());
  const length = Number(response.headers.get('inference-header-content-length') ?? bytes.byteLength);
  const json = JSON.parse(bytes.subarray(0, length).toString()) as InferAnswer['json'];
  return { status: response.status, headers: response.headers, json, raw: bytes.subarray(length) };
}

/** Asks with JSON and, behind it, raw tensors. */
function infer(model: string, json: object, raw: readonly Uint8Array[] = []): Promise<InferAnswer> {
  const head = Buffer.from(JSON.stringify(json));
  const headers = { 'inference-header-content-length': String(head.byteLength) };
  return send(`/v2/models/${model}/infer`, Buffer.concat([head, ...raw]), raw.length === 0 ? {} : headers);
}

const rawInput = (name: string, datatype: string, shape: readonly number[], bytes: number) => {
  return { name, datatype, shape, parameters: { binary_data_size: bytes } };
};
const floats = (raw: Uint8Array, shape = [raw.byteLength / 4]) => rawInput('in_float32', 'FP32', shape, raw.byteLength);
const binaryOut = { parameters: { binary_data_output: true } };

/** The model lists its outputs in the order of its types. */
function byDeclared(a: { readonly name: string }, b: { readonly name: string }): number {
  const order = Object.keys(ELEMENT_TYPES).map((type) => `out_${type}`);
  return order.indexOf(a.name) - order.indexOf(b.name);
}

describe('every datatype', () => {
  const rawInputs = SAMPLES.map(({ type, datatype, raw }) => rawInput(`in_${type}`, datatype, [2], raw.byteLength));

  test('goes in and comes out in raw form, bit for bit', async () => {
    const answer = await infer(
      'echo',
      { ...binaryOut, inputs: rawInputs },
      SAMPLES.map(({ raw }) => raw),
    );
    expect(answer.json.outputs.map(({ name, datatype, shape }) => ({ name, datatype, shape }))).toEqual(
      SAMPLES.map(({ type, datatype }) => ({ name: `out_${type}`, datatype, shape: [2] })).toSorted(byDeclared),
    );
    expect(answer.headers.get('content-type')).toBe('application/octet-stream');
    let at = 0;
    for (const { name, parameters } of answer.json.outputs) {
      const end = at + (parameters?.binary_data_size ?? 0);
      const sample = SAMPLES.find(({ type }) => `out_${type}` === name);
      expect(answer.raw.subarray(at, end).equals(sample?.raw ?? Buffer.alloc(1))).toBe(true);
      at = end;
    }
    expect(at).toBe(answer.raw.byteLength);
  });

  test('goes in as JSON and comes out as JSON, but FP16, which has no such form', async () => {
    const half = SAMPLES.find(({ type }) => type === 'float16')!;
    const inputs = SAMPLES.map(({ type, datatype, json }, index) =>
      json === undefined ? rawInputs[index] : { name: `in_${type}`, datatype, shape: [2], data: json },
    );
    const outputs = SAMPLES.map(({ type, json }) => {
      return { name: `out_${type}`, parameters: { binary_data: json === undefined } };
    });
    const answer = await infer('echo', { inputs, outputs }, [half.raw]);
    expect(answer.json.outputs.map(({ name, data }) => ({ name, data }))).toEqual(
      SAMPLES.map(({ type, json }) => ({ name: `out_${type}`, data: json })),
    );
    expect(answer.raw.equals(half.raw)).toBe(true);
    const plain = await infer('echo', { inputs, outputs: [{ name: 'out_float16' }] }, [half.raw]);
    expect(plain.json).toMatchObject({ code: 'UNSUPPORTED_FORMAT', error: expect.stringContaining('"out_float16"') });
    expect(plain.status).toBe(422);
  });
});

describe('numbers that JSON cannot hold', () => {
  const special = bytesOf(Float32Array.of(Number.NaN, Infinity, -0));

  test('come back in raw form, and are told in JSON', async () => {
    const raw = await infer('floats', { ...binaryOut, inputs: [floats(special)] }, [special]);
    expect(raw.raw.equals(special)).toBe(true);
    const json = await infer('floats', { inputs: [floats(special)] }, [special]);
    expect(json.json).toMatchObject({ code: 'UNSUPPORTED_FORMAT', error: expect.stringContaining('NaN') });
    expect(json.status).toBe(422);
  });

  test('BF16 goes in as the FP32 that it is', async () => {
    const halves = bytesOf(Uint16Array.of(0x3f80, 0xc000));
    const answer = await infer('floats', { inputs: [rawInput('in_float32', 'BF16', [2], 4)] }, [halves]);
    expect(answer.json.outputs[0]).toMatchObject({ datatype: 'FP32', data: [1, -2] });
  });
});

describe('compressed bodies', () => {
  const many = bytesOf(Float32Array.from({ length: 60_000 }, (_, index) => index));
  const head = Buffer.from(JSON.stringify({ ...binaryOut, inputs: [floats(many)] }));
  const body = Buffer.concat([head, many]);
  const path = '/v2/models/floats/infer';
  const length = { 'inference-header-content-length': String(head.byteLength) };

  test.each([
    ['gzip', gzipSync],
    ['deflate', deflateSync],
  ])('of %s are taken, and answered so where the client wants it', async (coding, compress) => {
    const headers = { ...length, 'content-encoding': coding, 'accept-encoding': coding };
    const answer = await send(path, compress(body), headers);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-encoding')).toBe(coding);
    expect(answer.raw.equals(many)).toBe(true);
  });

  test('small answers and unwanted codings are left as they are', async () => {
    const one = bytesOf(Float32Array.of(1));
    expect((await infer('floats', { inputs: [floats(one)] }, [one])).headers.get('content-encoding')).toBeNull();
    const answer = await send(path, body, { ...length, 'accept-encoding': 'gzip;q=0, br' });
    expect(answer.headers.get('content-encoding')).toBeNull();
    expect(answer.headers.get('content-length')).not.toBeNull();
    expect(answer.raw.equals(many)).toBe(true);
  });

  test.each([
    ['a bomb', 413, gzipSync(Buffer.alloc(50_000_000)), 'gzip'],
    ['too large as it is', 413, Buffer.alloc(1_000_001), 'identity'],
    ['no gzip at all', 400, Buffer.from('{}'), 'gzip'],
    ['cut off', 400, gzipSync(body).subarray(0, -20), 'gzip'],
    ['an unknown coding', 415, body, 'br'],
    ['two codings', 415, body, 'gzip, deflate'],
  ])('%s is %i', async (_what, status, bytes, coding) => {
    const answer = await send(path, bytes, { 'content-encoding': coding });
    expect(answer.json).toMatchObject({ code: 'INVALID_INPUT', error: expect.stringMatching(/\w/) });
    expect(answer.status).toBe(status);
  });
});

describe('a request that is wrong', () => {
  const one = bytesOf(Float32Array.of(1));
  const plain = { name: 'in_float32', datatype: 'FP32', shape: [1], data: [1] };

  test.each([
    ['an unknown input', { inputs: [plain, { ...plain, name: 'nope' }] }, [], '"nope"'],
    ['another datatype than the model’s', { inputs: [{ ...plain, datatype: 'FP64' }] }, [], '"in_float32"'],
    ['an unknown datatype', { inputs: [{ ...plain, datatype: 'FP99' }] }, [], 'FP99'],
    ['another rank than the model’s', { inputs: [{ ...plain, shape: [1, 1] }] }, [], '"in_float32"'],
    ['a negative dimension', { inputs: [{ ...plain, shape: [-1] }] }, [], 'inputs.0.shape.0'],
    ['half a dimension', { inputs: [{ ...plain, shape: [0.5] }] }, [], 'inputs.0.shape.0'],
    ['too few values', { inputs: [{ ...plain, shape: [2] }] }, [], '"in_float32"'],
    ['a text for a number', { inputs: [{ ...plain, data: ['1'] }] }, [], '"in_float32"'],
    ['null for a number', { inputs: [{ ...plain, data: [null] }] }, [], '"in_float32"'],
    ['data that is no list', { inputs: [{ ...plain, data: { 0: 1 } }] }, [], 'inputs.0.data'],
    ['no data at all', { inputs: [{ ...plain, data: undefined }] }, [], '"in_float32"'],
    ['no inputs', { inputs: [] }, [], 'inputs'],
    ['an input twice', { inputs: [plain, plain] }, [], '"in_float32"'],
    ['an unknown output', { inputs: [plain], outputs: [{ name: 'nope' }] }, [], '"nope"'],
    ['an output twice', { inputs: [plain], outputs: [{ name: 'a' }, { name: 'a' }] }, [], '"a"'],
    [
      'a classification',
      { inputs: [plain], outputs: [{ name: 'o', parameters: { classification: 1 } }] },
      [],
      'classification',
    ],
    [
      'shared memory',
      { inputs: [{ ...plain, parameters: { shared_memory_region: 'r' } }] },
      [],
      'shared_memory_region',
    ],
    ['a timeout of text', { inputs: [plain], parameters: { timeout: '1 s' } }, [], '"timeout"'],
    ['a negative timeout', { inputs: [plain], parameters: { timeout: -1 } }, [], '"timeout"'],
    ['a form that is no boolean', { inputs: [plain], parameters: { binary_data_output: 1 } }, [], 'binary_data_output'],
    ['an id that is a number', { inputs: [plain], id: 7 }, [], '"id"'],
    ['more bytes than there are', { inputs: [rawInput('in_float32', 'FP32', [2], 8)] }, [one], '"in_float32"'],
    ['fewer bytes than the shape makes', { inputs: [rawInput('in_float32', 'FP32', [2], 4)] }, [one], '"in_float32"'],
    ['bytes that nothing names', { inputs: [floats(one)] }, [one, one], '4 bytes'],
    ['data and bytes', { inputs: [{ ...floats(one), data: [1] }] }, [one], '"in_float32"'],
    ['a negative size', { inputs: [rawInput('in_float32', 'FP32', [1], -4)] }, [one], '"in_float32"'],
  ])('by %s is INVALID_INPUT, and names it', async (_what, json, raw, named) => {
    const answer = await infer('floats', json, raw);
    expect(answer.json).toMatchObject({ code: 'INVALID_INPUT', error: expect.stringContaining(named) });
    expect(answer.status).toBe(400);
  });

  test.each(['-1', '1e3', 'ten', '100000', '9'.repeat(30)])('by a length of its JSON of %s', async (length) => {
    const headers = { 'inference-header-content-length': length };
    const answer = await send('/v2/models/floats/infer', Buffer.from(JSON.stringify({ inputs: [plain] })), headers);
    const named = expect.stringContaining('inference-header-content-length');
    expect(answer.json).toMatchObject({ code: 'INVALID_INPUT', error: named });
    expect(answer.status).toBe(400);
  });

  test.each([
    ['NaN', '{"inputs": [{"name": "in_float32", "datatype": "FP32", "shape": [1], "data": [NaN]}]}'],
    ['lists 100,000 deep', `{"inputs": ${'['.repeat(100_000)}${']'.repeat(100_000)}}`],
    ['lists 1,000 deep', `{"inputs": ${'['.repeat(1_000)}${']'.repeat(1_000)}}`],
    ['half a document', '{"inputs": ['],
    ['nothing', ''],
  ])('by %s', async (_what, text) => {
    const answer = await send('/v2/models/floats/infer', Buffer.from(text));
    expect(answer.json).toMatchObject({ code: 'INVALID_INPUT', error: expect.stringContaining('body') });
    expect(answer.status).toBe(400);
  });

  test('by bytes that are no UTF-8', async () => {
    const body = Buffer.from('{"inputs": [{"name": "\xff"}]}', 'latin1');
    const answer = await send('/v2/models/floats/infer', body);
    expect(answer.json).toMatchObject({ code: 'INVALID_INPUT', error: expect.stringContaining('UTF-8') });
    const text = rawInput('text', 'BYTES', [1], 6);
    const raw = await infer('sentiment', { inputs: [text] }, [Uint8Array.of(2, 0, 0, 0, 0xc3, 0x28)]);
    expect(raw.json).toMatchObject({ code: 'INVALID_INPUT', error: expect.stringContaining('"text"') });
  });

  test.each([
    ['floats/versions/99', 404, 'VERSION_NOT_FOUND'],
    ['floats/versions/nobody', 404, 'ALIAS_NOT_FOUND'],
    ['nothing', 404, 'MODEL_NOT_FOUND'],
    ['floats/versions/-1', 400, 'INVALID_REFERENCE'],
  ])('by asking %s is %i', async (path, status, code) => {
    const answer = await infer(path, { inputs: [plain] });
    expect(answer.json).toMatchObject({ code });
    expect(answer.status).toBe(status);
  });

  test('by a timeout that is too short: nothing is run', async () => {
    const answer = await infer('echo:1', { inputs: [plain], parameters: { timeout: 1 } });
    expect(answer.json).toMatchObject({ code: expect.stringMatching(/^(DEADLINE_EXCEEDED|INVALID_INPUT)$/) });
  });
});

describe('a text model', () => {
  test('takes no more token ids than a request may have', async () => {
    await using small = await startServer(home, { maxRequestTokens: 5, cacheDir: join(home.root, 'small') });
    const ask = (tokens: number) => {
      const names = ['input_ids', 'attention_mask', 'token_type_ids'];
      const data = Array.from({ length: tokens }, () => 1);
      const inputs = names.map((name) => ({ name, datatype: 'INT64', shape: [1, tokens], data }));
      return small.post('/v2/models/sentiment/infer', { inputs });
    };
    expect(await ask(6)).toMatchObject({
      status: 400,
      body: { code: 'INVALID_INPUT', error: expect.stringContaining('"input_ids"') },
    });
    expect((await ask(5)).status).toBe(200);
  });

  test('says which tensors it takes in the place of text', async () => {
    const wrong = await infer('sentiment', { inputs: [{ name: 'nope', datatype: 'INT32', shape: [1], data: [1] }] });
    expect(wrong.json.error).toContain('"text"');
    expect(wrong.json.error).toContain('"input_ids"');
  });

  test('takes tokens when it is asked by them', async () => {
    const names = ['input_ids', 'attention_mask', 'token_type_ids'];
    const inputs = names.map((name) => ({ name, datatype: 'INT64', shape: [1, 3], data: [1, 1, 1] }));
    const answer = await infer('sentiment', { inputs });
    expect(answer.json.error).toBeUndefined();
    expect(answer.json.outputs).toMatchObject([{ name: 'logits', datatype: 'FP32', shape: [1, 2] }]);
  });
});
