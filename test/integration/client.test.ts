import { join } from 'node:path';
import { afterAll, beforeAll, expect, expectTypeOf, test } from 'vitest';
import { addKey } from '../../src/app/index.js';
import { ModelkeepClient } from '../../src/client/index.js';
import { goldensOf, modelHome, startServer, type ModelHome, type TestServer } from './http-harness.js';

let home: ModelHome;
let server: TestServer;
let client: ModelkeepClient;

beforeAll(async () => {
  home = modelHome();
  await home.publish('sentiment/v2', 'sentiment');
  await home.publish('tasks/embeddings', 'team/embeddings');
  await home.publish('iris/mymodel_v2_nozipmap.onnx', 'iris');
  await home.setAlias('sentiment', 'production', 1);
  const authKeys = join(home.root, 'keys.json');
  const { key } = await addKey(authKeys, { name: 'client', scopes: ['infer', 'read'] });
  server = await startServer(home, { authKeys });
  client = new ModelkeepClient({ url: server.running.url, key });
});

afterAll(async () => {
  await server.close();
  home[Symbol.dispose]();
});

test('predicts, with the types of the task', async () => {
  const [golden] = goldensOf('sentiment/v2');
  const { output, ...rest } = await client.predict('sentiment@production', golden?.text ?? '', {
    task: 'text-classification',
    parameters: { top_k: 1 },
  });
  expectTypeOf(output).toExtend<unknown>();
  expect(output).toEqual([{ label: golden?.label, score: expect.closeTo(golden?.score ?? 0, 4) }]);
  expect(rest).toEqual({ model: 'sentiment', version: 1, digest: expect.stringMatching(/^sha256:/) });
});

test('embeds', async () => {
  const { vectors, tokens, version } = await client.embed('team/embeddings', ['A cat sleeps.', 'A dog barks.']);
  expect([vectors.length, version]).toEqual([2, 1]);
  expect(tokens).toBeGreaterThan(4);
  expect(Math.hypot(...(vectors[0] ?? []))).toBeCloseTo(1, 5);
  const short = await client.embed('team/embeddings', 'A cat sleeps.', { dimensions: 3 });
  expect(short.vectors[0]).toHaveLength(3);
});

test('runs tensors', async () => {
  const described = await client.describe('iris');
  const [input] = described.inputs;
  const data = Float32Array.of(5.1, 3.5, 1.4, 0.2);
  const answered = await client.infer('iris', { [input?.name ?? '']: { datatype: 'FP32', shape: [1, 4], data } });
  expect(answered).toMatchObject({ model: 'iris', version: 1 });
  expect(Object.keys(answered.outputs).toSorted()).toEqual(described.outputs.map(({ name }) => name).toSorted());
  const [first] = described.outputs;
  const one = await client.infer(
    'iris',
    { [input?.name ?? '']: { datatype: 'FP32', shape: [1, 4], data } },
    { outputs: [first?.name ?? ''] },
  );
  expect(Object.keys(one.outputs)).toEqual([first?.name]);
});

test('tells of models and of the server', async () => {
  expect((await client.models()).map(({ id }) => id)).toEqual(['iris', 'sentiment', 'team/embeddings']);
  expect((await client.status()).store.reachable).toBe(true);
});

test('fails with the server’s code, message and request id', async () => {
  await expect(client.predict('nope', 'x')).rejects.toMatchObject({
    name: 'ModelkeepClientError',
    code: 'MODEL_NOT_FOUND',
    status: 404,
    requestId: expect.stringMatching(/\w/),
  });
  await expect(client.embed('sentiment', 'x')).rejects.toMatchObject({ code: 'INVALID_INPUT', status: 400 });
  const stranger = new ModelkeepClient({ url: server.running.url });
  await expect(stranger.models()).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
});

test('a server that is not there is an error within the deadline', async () => {
  const lost = new ModelkeepClient({ url: 'http://127.0.0.1:9', timeoutMs: 2_000, retries: 1 });
  await expect(lost.models()).rejects.toMatchObject({ code: 'NETWORK' });
});
