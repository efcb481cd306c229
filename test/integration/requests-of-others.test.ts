import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openStore, push } from '../../src/app/index.js';
import { FIXTURES, modelHome, startServer, type ModelHome, type TestServer } from './http-harness.js';

/** Requests as people have them in their programs, which other services took. */
let home: ModelHome;
let server: TestServer;

beforeAll(async () => {
  home = modelHome();
  {
    await using store = await openStore(home.url);
    const models = [
      ['sentiment', 'sentiment/v2'],
      ['ner', 'tasks/ner'],
      ['qa', 'tasks/qa'],
      ['zero-shot', 'tasks/zero-shot', 'zero-shot-classification'],
      ['ranking', 'tasks/ranking'],
    ] as const;
    for (const [name, path, task] of models) {
      await push(store, join(FIXTURES, path), { name, ...(task === undefined ? {} : { task }) });
    }
  }
  server = await startServer(home, { defaultModel: 'ranking' });
});
afterAll(async () => {
  await server.close();
  home[Symbol.dispose]();
});

async function ask(path: string, body: object): Promise<unknown> {
  const answer = await server.post(path, body);
  expect([answer.status, answer.status === 200 ? '' : answer.body]).toEqual([200, '']);
  return answer.body;
}
const pipeline = (model: string, inputs: unknown, parameters: object = {}) =>
  ask(`/models/${model}`, { inputs, parameters });

const TEXT = 'Happy coding !!!';
const POSITIVE = { label: 'POSITIVE', score: expect.closeTo(0.966343, 5) };
const bytes = (name: string, text: string, parameters: object = {}) => ({
  name,
  shape: [1],
  datatype: 'BYTES',
  data: [text],
  parameters,
});

async function inferred(model: string, inputs: readonly object[]): Promise<unknown> {
  const { outputs } = (await ask(`/v2/models/${model}/infer`, { inputs })) as { outputs: { data: string[] }[] };
  return outputs[0]?.data.map((one) => JSON.parse(one) as unknown);
}

test('return_all_scores gives all labels in the order of the model', async () => {
  const negative = { label: 'NEGATIVE', score: expect.closeTo(0.033657, 5) };
  expect(await pipeline('sentiment', TEXT, { return_all_scores: true })).toEqual([[negative, POSITIVE]]);
});

test('arguments of the tokenizer are taken', async () => {
  const parameters = { truncation: true, max_length: 64, padding: true };
  expect(await pipeline('sentiment', TEXT, parameters)).toEqual([POSITIVE]);
});

test('a pair as a list in a list has one answer', async () => {
  const pair = await pipeline('sentiment', [[TEXT, 'bad']]);
  expect(pair).toHaveLength(1);
  expect(pair).toEqual(await pipeline('sentiment', [{ text: TEXT, text_pair: 'bad' }]));
});

test('grouped_entities is the simple aggregation', async () => {
  const inputs = 'Ada Lovelace lived in London.';
  const simple = await pipeline('ner', inputs, { aggregation_strategy: 'simple' });
  expect(await pipeline('ner', inputs, { grouped_entities: true })).toEqual(simple);
  expect(simple).toContainEqual(expect.objectContaining({ entity_group: 'LOC', word: 'London' }));
});

test('topk gives as many answers', async () => {
  const inputs = { question: 'Who?', context: 'Ada wrote it.' };
  const two = await pipeline('qa', inputs, { topk: 2 });
  expect(two).toHaveLength(2);
  expect(two).toEqual(await pipeline('qa', inputs, { top_k: 2 }));
});

test('multi_class is multi_label', async () => {
  const labels = { candidate_labels: ['sports', 'politics'] };
  const inputs = 'I love football';
  const wanted = await pipeline('zero-shot', inputs, { ...labels, multi_label: true });
  expect(await pipeline('zero-shot', inputs, { ...labels, multi_class: true })).toEqual(wanted);
  expect(wanted).not.toEqual(await pipeline('zero-shot', inputs, labels));
});

test('a question is asked over the Open Inference Protocol', async () => {
  const [question, context] = ['Who wrote it?', 'Ada wrote it.'];
  const answers = await inferred('qa', [bytes('question', question), bytes('context', context)]);
  const wanted = await pipeline('qa', { question, context });
  expect(answers).toEqual([wanted]);
});

test('a text of MLServer’s clients is taken under their names', async () => {
  for (const name of ['args', 'input-0']) {
    expect(await inferred('sentiment', [bytes(name, TEXT, { content_type: 'str' })])).toEqual([POSITIVE]);
  }
});

test('outputs say their content type where the request does', async () => {
  const inputs = [bytes('args', TEXT, { content_type: 'str' })];
  const said = (await ask('/v2/models/sentiment/infer', { inputs })) as { outputs: object[] };
  expect(said.outputs).toMatchObject([{ parameters: { content_type: 'str' } }]);
  const parameters = { content_type: 'str' };
  const whole = (await ask('/v2/models/sentiment/infer', { inputs: [bytes('args', TEXT)], parameters })) as typeof said;
  expect(whole.outputs).toMatchObject([{ parameters: { content_type: 'str' } }]);
  const plain = (await ask('/v2/models/sentiment/infer', { inputs: [bytes('args', TEXT)] })) as typeof said;
  expect(plain.outputs[0]).not.toHaveProperty('parameters');
});

test('texts are ranked as Text Embeddings Inference does', async () => {
  expect(await ask('/rerank', { query: 'a', texts: ['b'] })).toEqual([{ index: 0, score: expect.any(Number) }]);
});
