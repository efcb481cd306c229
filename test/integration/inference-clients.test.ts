import { join } from 'node:path';
import { InferenceClient } from '@huggingface/inference';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { addKey, openStore, push } from '../../src/app/index.js';
import { FIXTURES, modelHome, startServer, type ModelHome, type TestServer } from './http-harness.js';

let home: ModelHome;
let server: TestServer;
let key: string;

/** Each model with its fixture and, where the files do not say it, its task. */
const MODELS: readonly (readonly [string, string, string?])[] = [
  ['sentiment', 'sentiment/v2'],
  ['fill-mask', 'tasks/fill-mask'],
  ['embeddings', 'tasks/embeddings'],
  ['features', 'tasks/embeddings', 'feature-extraction'],
];

beforeAll(async () => {
  home = modelHome();
  {
    await using store = await openStore(home.url);
    for (const [name, path, task] of MODELS) {
      await push(store, join(FIXTURES, path), { name, ...(task === undefined ? {} : { task }) });
    }
  }
  const authKeys = join(home.root, 'keys.json');
  key = (await addKey(authKeys, { name: 'all', scopes: ['infer'] })).key;
  server = await startServer(home, { authKeys });
});

afterAll(async () => {
  await server.close();
  home[Symbol.dispose]();
});

/** What the server answers to one who is no client of Hugging Face. */
async function plain(model: string, inputs: unknown, parameters?: object): Promise<unknown> {
  const headers = { authorization: `Bearer ${key}` };
  const { status, body } = await server.post(`/models/${model}`, { inputs, parameters }, { headers });
  expect(status).toBe(200);
  return body;
}

const of = (model: string) => new InferenceClient(key).endpoint(`${server.running.url}/models/${model}`);
const MASK = 'the new [MASK] won';

test('an error is told', async () => {
  await expect(of('nope').fillMask({ inputs: MASK })).rejects.toMatchObject({ httpResponse: { status: 404 } });
  await expect(of('fill-mask').fillMask({ inputs: 'no mask' })).rejects.toThrow(/mask/);
});

const read = (text: string) => new Float32Array(Uint8Array.from(Buffer.from(text, 'base64')).buffer);

test('vectors come in the format that is asked for', async () => {
  const headers = { authorization: `Bearer ${key}` };
  const ask = (inputs: unknown, encoding_format: unknown, model = 'embeddings') =>
    server.post(`/models/${model}`, { inputs, encoding_format }, { headers });
  const texts = ['A cat sleeps.', 'A dog barks.'];
  const wanted = ((await plain('embeddings', texts)) as number[][]).map((vector) => Float32Array.from(vector));
  expect(((await ask(texts, 'base64')).body as string[]).map(read)).toEqual(wanted);
  expect(read((await ask(texts[0], 'base64')).body as string)).toEqual(wanted[0]);
  expect((await ask(texts, 'float')).body).toEqual(await plain('embeddings', texts));
  expect((await ask(texts, null)).status).toBe(200);
  expect((await ask(texts, 'float', 'features')).status).toBe(200);
  for (const [format, model] of [
    ['int8', 'embeddings'],
    ['base64', 'features'],
    ['float', 'sentiment'],
  ] as const) {
    expect(await ask(texts, format, model)).toMatchObject({
      status: 400,
      body: { error: expect.stringContaining('encoding_format') },
    });
  }
});

test('where a user agent cannot be set the URL says who asks', async () => {
  const headers = { authorization: `Bearer ${key}` };
  const { body } = await server.post('/models/sentiment?client=huggingface', { inputs: 'fine' }, { headers });
  expect(body).toEqual([await plain('sentiment', 'fine')]);
  const many = await server.post('/models/sentiment?client=huggingface', { inputs: ['fine', 'bad'] }, { headers });
  expect(many.body).toEqual(((await plain('sentiment', ['fine', 'bad'])) as object[]).map((one) => [one]));
});

test('options that ask to wait, or not to cache, are accepted; an unknown field beside the inputs is not', async () => {
  const headers = { authorization: `Bearer ${key}` };
  const options = { wait_for_model: true, use_cache: false };
  expect((await server.post('/models/sentiment', { inputs: 'fine', options }, { headers })).status).toBe(200);
  const unknown = await server.post('/models/sentiment', { inputs: 'fine', topk: 2 }, { headers });
  expect(unknown).toMatchObject({ status: 400, body: { error: expect.stringContaining('topk') } });
});
