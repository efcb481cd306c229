import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TASKS } from '../../src/tasks/index.js';
import {
  FIXTURES,
  goldensOf,
  modelHome,
  startServer,
  type Answer,
  type Label,
  type ModelHome,
  type TestServer,
} from './http-harness.js';

interface InferAnswer {
  readonly model_name: string;
  readonly model_version: string;
  readonly id?: string;
  readonly outputs: readonly { name: string; shape: number[]; datatype: string; data: unknown[] }[];
}

const goldens = goldensOf('sentiment/v2');
let home: ModelHome;
let server: TestServer;

beforeAll(async () => {
  home = modelHome();
  await home.publish('sentiment/v1', 'sentiment');
  await home.publish('sentiment/v2', 'sentiment');
  await home.publish('sentiment/v1', 'acme/nlp/sentiment');
  await home.publish('iris/mymodel_v2_nozipmap.onnx', 'iris');
  await home.setAlias('sentiment', 'old', 1);
  server = await startServer(home);
});

afterAll(async () => {
  await server.close();
  home[Symbol.dispose]();
});

function expectLabel(actual: Label, golden: Label): void {
  expect(actual.label).toBe(golden.label);
  expect(Math.abs(actual.score - golden.score)).toBeLessThanOrEqual(1e-4);
}

const textInput = (texts: readonly string[]) => ({
  name: 'text',
  shape: [texts.length],
  datatype: 'BYTES',
  data: texts,
});

describe('the Hugging Face form', () => {
  test('answers every golden text and says which version did', async () => {
    for (const golden of goldens) {
      const { status, headers, body } = await server.post('/models/sentiment', { inputs: golden.text });
      expect(status).toBe(200);
      expect(headers.get('x-modelkeep-model')).toBe('sentiment');
      expect(headers.get('x-modelkeep-version')).toBe('2');
      expect(headers.get('x-modelkeep-precision')).toBe('fp32');
      expect(headers.get('x-modelkeep-digest')).toMatch(/^sha256:[0-9a-f]{64}$/);
      expect(body).toHaveLength(1);
      expectLabel((body as Label[])[0]!, golden);
    }
  });

  test('answers a list with one answer for each text, in order', async () => {
    const { body } = await server.post('/models/sentiment', { inputs: goldens.map(({ text }) => text) });
    const answers = body as Label[];
    expect(answers).toHaveLength(goldens.length);
    answers.forEach((answer, index) => expectLabel(answer, goldens[index]!));
  });

  test('gives all labels with top_k, the best first', async () => {
    const golden = goldens[3]!;
    const body = (await server.post('/models/sentiment', { inputs: golden.text, parameters: { top_k: 2 } })).body;
    const [best, second] = body as Label[];
    expectLabel(best!, golden);
    expect(second!.score).toBeCloseTo(1 - golden.score, 4);
    expect(second!.label).not.toBe(golden.label);
  });

  test('takes a body without a content type, and the options that other clients send', async () => {
    const { text } = goldens[3]!;
    const body = JSON.stringify({ inputs: text, options: { wait_for_model: true } });
    const answer = await server.post('/models/sentiment', body, { headers: { 'content-type': 'text/plain' } });
    expect(answer.status).toBe(200);
    expectLabel((answer.body as Label[])[0]!, goldens[3]!);
  });

  test.each([
    ['/models/sentiment:1', '1'],
    ['/models/sentiment@old', '1'],
    ['/models/sentiment%40old', '1'],
    ['/models/sentiment@latest', '2'],
    ['/models/acme/nlp/sentiment', '1'],
    ['/models/acme/nlp/sentiment:1', '1'],
  ])('%s is answered by version %s', async (path, version) => {
    const golden = goldensOf(version === '1' ? 'sentiment/v1' : 'sentiment/v2')[3]!;
    const { status, headers, body } = await server.post(path, { inputs: golden.text });
    expect(status).toBe(200);
    expect(headers.get('x-modelkeep-version')).toBe(version);
    expectLabel((body as Label[])[0]!, golden);
  });
});

describe('the Open Inference Protocol', () => {
  test('takes text as BYTES and gives each answer as JSON, with the id of the request', async () => {
    const some = goldens.slice(3, 8);
    const body = { id: 'request-7', inputs: [textInput(some.map(({ text }) => text))] };
    const answer = (await server.post('/v2/models/sentiment/infer', body)) as Answer<InferAnswer>;
    expect(answer.status).toBe(200);
    expect(answer.headers.get('x-modelkeep-version')).toBe('2');
    const { outputs, ...rest } = answer.body;
    expect(rest).toEqual({ model_name: 'sentiment', model_version: '2', id: 'request-7' });
    expect(outputs).toHaveLength(1);
    expect(outputs[0]).toMatchObject({ name: 'output', shape: [5], datatype: 'BYTES' });
    outputs[0]!.data.forEach((one, index) => expectLabel(JSON.parse(one as string) as Label, some[index]!));
  });

  test('leaves the id out if the request has none', async () => {
    const { body } = await server.post('/v2/models/sentiment/infer', { inputs: [textInput(['fine'])] });
    expect(body).not.toHaveProperty('id');
  });

  test.each([
    ['/v2/models/sentiment/versions/1/infer', '1'],
    ['/v2/models/sentiment/versions/2/infer', '2'],
    ['/v2/models/sentiment/versions/old/infer', '1'],
    ['/v2/models/sentiment/versions/latest/infer', '2'],
    ['/v2/models/sentiment@old/infer', '1'],
    ['/v2/models/acme/nlp/sentiment/versions/1/infer', '1'],
  ])('%s is answered by version %s', async (path, version) => {
    const answer = await server.post(path, { inputs: [textInput(['fine'])] });
    expect(answer.status).toBe(200);
    expect((answer.body as InferAnswer).model_version).toBe(version);
  });

  test('hands parameters to the task', async () => {
    const golden = goldens[3]!;
    const body = { parameters: { top_k: 2 }, inputs: [textInput([golden.text])] };
    const { outputs } = (await server.post('/v2/models/sentiment/infer', body)).body as InferAnswer;
    const labels = JSON.parse(outputs[0]!.data[0] as string) as Label[];
    expect(labels).toHaveLength(2);
    expectLabel(labels[0]!, golden);
  });

  test('describes a text model and a model of tensors', async () => {
    expect((await server.get('/v2/models/sentiment')).body).toEqual({
      name: 'sentiment',
      versions: ['1', '2'],
      platform: 'onnxruntime_safetensors',
      inputs: [{ name: 'text', datatype: 'BYTES', shape: [-1] }],
      outputs: [{ name: 'output', datatype: 'BYTES', shape: [-1] }],
      parameters: {
        task: 'text-classification',
        tasks: ['text-classification', 'zero-shot-classification', 'text-ranking'],
        options: Object.keys(TASKS.get('text-classification')!.parameters.shape),
        tensor_inputs: ['input_ids', 'attention_mask', 'token_type_ids'].map((name) => {
          return { name, datatype: 'INT64', shape: [-1, -1] };
        }),
        tensor_outputs: [{ name: 'logits', datatype: 'FP32', shape: [-1, 2] }],
      },
    });
    expect((await server.get('/v2/models/iris/versions/1')).body).toEqual({
      name: 'iris',
      versions: ['1'],
      platform: 'onnxruntime_onnx',
      inputs: [{ name: 'X', datatype: 'FP32', shape: [-1, 4] }],
      outputs: [
        { name: 'label', datatype: 'INT64', shape: [-1] },
        { name: 'probabilities', datatype: 'FP32', shape: [-1, 3] },
      ],
    });
  });
});

describe('tensors in, tensors out', () => {
  const golden = JSON.parse(readFileSync(join(FIXTURES, 'iris/golden.json'), 'utf8')) as {
    readonly data: readonly (readonly number[])[];
    readonly models: {
      readonly mymodel_v2: { readonly predict: readonly number[]; readonly predict_proba?: readonly number[][] };
    };
  };
  const input = (data: readonly unknown[]) => ({
    name: 'X',
    shape: [golden.data.length, 4],
    datatype: 'FP32',
    data,
  });

  test.each([
    ['nested', golden.data],
    ['flat', golden.data.flat()],
  ])('a raw ONNX model answers all of iris, %s', async (_form, data) => {
    const { status, body } = await server.post('/v2/models/iris/infer', { id: 'i', inputs: [input(data)] });
    expect(status).toBe(200);
    const { model_name, model_version, id, outputs } = body as InferAnswer;
    expect({ model_name, model_version, id }).toEqual({ model_name: 'iris', model_version: '1', id: 'i' });
    expect(outputs.map(({ name }) => name)).toEqual(['label', 'probabilities']);
    expect(outputs[0]).toMatchObject({ datatype: 'INT64', shape: [150], data: golden.models.mymodel_v2.predict });
    expect(outputs[1]).toMatchObject({ datatype: 'FP32', shape: [150, 3] });
    expect(outputs[1]!.data).toHaveLength(450);
  });

  test('gives only the outputs that were asked for', async () => {
    const body = { inputs: [input(golden.data)], outputs: [{ name: 'label' }] };
    const { outputs } = (await server.post('/v2/models/iris/infer', body)).body as InferAnswer;
    expect(outputs.map(({ name }) => name)).toEqual(['label']);
  });

  test.each([
    ['a wrong datatype', { name: 'X', shape: [1, 4], datatype: 'INT64', data: [1, 2, 3, 4] }],
    ['a wrong shape', { name: 'X', shape: [1, 3], datatype: 'FP32', data: [1, 2, 3] }],
    ['a wrong rank', { name: 'X', shape: [4], datatype: 'FP32', data: [1, 2, 3, 4] }],
    ['too few values', { name: 'X', shape: [2, 4], datatype: 'FP32', data: [1, 2, 3, 4] }],
    ['no number', { name: 'X', shape: [1, 4], datatype: 'FP32', data: [1, 2, 3, null] }],
    ['an unknown datatype', { name: 'X', shape: [1, 4], datatype: 'FP99', data: [1, 2, 3, 4] }],
  ])('%s is INVALID_INPUT', async (_what, wrong) => {
    const { status, body } = await server.post('/v2/models/iris/infer', { inputs: [wrong] });
    expect(body).toMatchObject({ code: 'INVALID_INPUT', error: expect.stringContaining(wrong.name) });
    expect(status).toBe(400);
  });

  test('an output that the model does not have is INVALID_INPUT', async () => {
    const body = { inputs: [input(golden.data)], outputs: [{ name: 'nope' }] };
    const answer = await server.post('/v2/models/iris/infer', body);
    expect(answer.body).toMatchObject({ code: 'INVALID_INPUT', error: expect.stringContaining('nope') });
    expect(answer.status).toBe(400);
  });

  test('text for a model of tensors is INVALID_INPUT', async () => {
    const answer = await server.post('/models/iris', { inputs: 'fine' });
    expect(answer.body).toMatchObject({ code: 'INVALID_INPUT' });
    expect(answer.status).toBe(400);
  });
});

describe('what is wrong with a request', () => {
  test.each([
    ['no such model', '/models/nope', { inputs: 'x' }, 404, 'MODEL_NOT_FOUND'],
    ['no such version', '/models/sentiment:99', { inputs: 'x' }, 404, 'VERSION_NOT_FOUND'],
    ['no such alias', '/models/sentiment@nope', { inputs: 'x' }, 404, 'ALIAS_NOT_FOUND'],
    [
      'no such version path',
      '/v2/models/sentiment/versions/99/infer',
      { inputs: [textInput(['x'])] },
      404,
      'VERSION_NOT_FOUND',
    ],
    ['a malformed name', '/models/Sentiment', { inputs: 'x' }, 400, 'INVALID_REFERENCE'],
    ['a name of 900 characters', `/models/${'a'.repeat(900)}`, { inputs: 'x' }, 400, 'INVALID_REFERENCE'],
    ['a version twice', '/v2/models/sentiment:1/versions/2/infer', { inputs: [] }, 400, 'INVALID_REFERENCE'],
    ['half a document', '/models/sentiment', '{"inputs":', 400, 'INVALID_INPUT'],
    ['no document', '/models/sentiment', '', 400, 'INVALID_INPUT'],
    ['a document that is no object', '/models/sentiment', '[1]', 400, 'INVALID_INPUT'],
    ['no inputs', '/models/sentiment', {}, 400, 'INVALID_INPUT'],
    ['inputs that are no text', '/models/sentiment', { inputs: 7 }, 400, 'INVALID_INPUT'],
    ['inputs that hold no text', '/models/sentiment', { inputs: ['x', null] }, 400, 'INVALID_INPUT'],
    [
      'an unknown parameter',
      '/models/sentiment',
      { inputs: 'x', parameters: { temperature: 1 } },
      400,
      'INVALID_INPUT',
    ],
    ['parameters that are a list', '/models/sentiment', { inputs: 'x', parameters: [] }, 400, 'INVALID_INPUT'],
    ['infer without inputs', '/v2/models/sentiment/infer', { inputs: [] }, 400, 'INVALID_INPUT'],
    [
      'a negative dimension',
      '/v2/models/iris/infer',
      { inputs: [{ ...textInput(['x']), shape: [-1] }] },
      400,
      'INVALID_INPUT',
    ],
    ['POST where nothing takes it', '/v2/models/sentiment', { inputs: [textInput(['x'])] }, 400, 'INVALID_INPUT'],
  ])('%s', async (_what, path, body, status, code) => {
    const answer = await server.post(path, body);
    expect(answer.body).toMatchObject({ code, error: expect.stringMatching(/\w/) });
    expect(answer.status).toBe(status);
  });

  test('a misspelt parameter is named', async () => {
    const answer = await server.post('/models/sentiment', { inputs: 'x', parameters: { topk: 1 } });
    expect((answer.body as { error: string }).error).toContain('topk');
  });

  test.each(['/nope', '/v2/nope', '/nothing/x/y'])('GET %s is 404', async (path) => {
    const { status, body } = await server.get(path);
    expect(status).toBe(404);
    expect(body).toMatchObject({ error: expect.stringContaining(path) });
  });
});
