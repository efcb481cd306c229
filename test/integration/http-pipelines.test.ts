import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { modelHome, startServer, type ModelHome, type TestServer } from './http-harness.js';

let home: ModelHome;
let server: TestServer;

beforeAll(async () => {
  home = modelHome();
  await home.publish('sentiment/v2', 'sentiment');
  for (const task of ['ner', 'qa', 'zero-shot', 'fill-mask', 'embeddings']) await home.publish(`tasks/${task}`, task);
  server = await startServer(home);
});
afterAll(async () => {
  await server.close();
  home[Symbol.dispose]();
});

const TEXT = 'Happy coding !!!';
const ask = async (model: string, inputs: unknown, parameters?: object) => {
  const answer = await server.post(`/models/${model}`, parameters === undefined ? { inputs } : { inputs, parameters });
  expect(answer).toMatchObject({ status: 200 });
  return answer.body;
};

describe('former names of parameters', () => {
  test.each([
    ['sentiment', TEXT, { return_all_scores: false }, {}],
    ['ner', 'Ada Lovelace lived in London.', { grouped_entities: true }, { aggregation_strategy: 'simple' }],
    [
      'ner',
      'Ada Lovelace lived.',
      { grouped_entities: true, ignore_subwords: true },
      { aggregation_strategy: 'first' },
    ],
    ['ner', 'Ada Lovelace lived.', { grouped_entities: false }, { aggregation_strategy: 'none' }],
    ['ner', 'Ada Lovelace lived.', { aggregation_strategy: 'SIMPLE' }, { aggregation_strategy: 'simple' }],
    ['qa', { question: 'Who?', context: 'Ada wrote it.' }, { topk: 2 }, { top_k: 2 }],
    ['qa', { question: 'Who?', context: 'Ada wrote it.' }, { topk: 3, top_k: 2 }, { top_k: 2 }],
    [
      'zero-shot',
      'I love it',
      { candidate_labels: 'a, b', multi_class: true },
      { candidate_labels: ['a', 'b'], multi_label: true },
    ],
    ['fill-mask', 'a [MASK] b', { tokenizer_kwargs: { truncation: true, padding: 'longest' } }, { truncation: true }],
    ['sentiment', TEXT, { function_to_apply: 'SIGMOID' }, { function_to_apply: 'sigmoid' }],
    ['sentiment', TEXT, { function_to_apply: null, truncation: null, max_length: null, padding: null }, {}],
    ['sentiment', TEXT, { return_tensors: 'pt', batch_size: 8 }, {}],
  ])('of %s: %j %j are %j', async (model, inputs, former, now) => {
    expect(await ask(model, inputs, former)).toEqual(await ask(model, inputs, now));
  });

  test('are told in headers', async () => {
    const answer = await server.post('/models/qa', {
      inputs: { question: 'Who?', context: 'Ada wrote it.' },
      parameters: { topk: 2 },
    });
    expect(answer.headers.get('deprecation')).toMatch(/^@\d+$/);
    expect(answer.headers.get('warning')).toContain('top_k');
    const plain = await server.post('/models/sentiment', { inputs: TEXT });
    expect(plain.headers.get('deprecation')).toBeNull();
  });

  test('return_all_scores gives every label in the order of the model, as the pipeline did', async () => {
    const [negative, positive] = [/NEGATIVE/, /POSITIVE/].map((label) => ({
      label: expect.stringMatching(label),
      score: expect.any(Number),
    }));
    const all = { return_all_scores: true };
    expect(await ask('sentiment', TEXT, all)).toEqual([[negative, positive]]);
    expect(await ask('sentiment', [TEXT, 'x'], all)).toEqual([
      [negative, positive],
      [negative, positive],
    ]);
    expect(await ask('sentiment', { text: TEXT }, all)).toEqual([negative, positive]);
    expect(await ask('sentiment', TEXT, { ...all, top_k: 1 })).toMatchObject([{ label: 'POSITIVE' }]);
  });

  test('an unknown one is refused, and its name is said', async () => {
    expect(await server.post('/models/sentiment', { inputs: TEXT, parameters: { top_n: 1 } })).toMatchObject({
      status: 400,
      body: { code: 'INVALID_INPUT', error: expect.stringContaining('top_n') },
    });
  });
});

describe('forms of inputs', () => {
  test('a pair is an object, a list of two, or a list in a list', async () => {
    const pair = await ask('sentiment', [{ text: TEXT, text_pair: 'bad' }]);
    expect(await ask('sentiment', [[TEXT, 'bad']])).toEqual(pair);
    expect(await ask('sentiment', [[[TEXT, 'bad']]])).toEqual(pair);
    expect(await ask('sentiment', [[TEXT]])).toEqual(await ask('sentiment', [TEXT]));
    expect(pair).not.toEqual(await ask('sentiment', [TEXT]));
    expect(await server.post('/models/sentiment', { inputs: [['a', 'b', 'c']] })).toMatchObject({
      status: 400,
      body: { details: { field: 'inputs[0]' } },
    });
  });

  test('several questions may share a context, or have one each', async () => {
    const context = 'Ada wrote it.';
    const wanted = await ask('qa', [
      { question: 'Who?', context },
      { question: 'What?', context },
    ]);
    expect(await ask('qa', { question: ['Who?', 'What?'], context })).toEqual(wanted);
    expect(await ask('qa', { question: ['Who?', 'What?'], context: [context, context] })).toEqual(wanted);
    const odd = { question: ['Who?', 'What?'], context: [context] };
    expect((await server.post('/models/qa', { inputs: odd })).status).toBe(400);
  });
});

const features = async (more: object) =>
  (await ask('embeddings', 'a cat', { task: 'feature-extraction', ...more })) as number[][][];

describe('arguments of the tokenizer', () => {
  test('max_length cuts, whatever the model takes', async () => {
    const long = `${TEXT} ${'awful '.repeat(50)}`;
    const cut = await ask('sentiment', long, { max_length: 6 });
    expect(cut).not.toEqual(await ask('sentiment', long));
    expect(await ask('sentiment', long, { max_length: 6, truncation: 'only_first' })).toEqual(cut);
    const [vectors] = (await ask('embeddings', long, { max_length: 6, task: 'feature-extraction' })) as number[][][];
    expect(vectors).toHaveLength(6);
    expect((await server.post('/models/sentiment', { inputs: long, parameters: { max_length: 1 } })).status).toBe(400);
  });

  test('a text may be cut at its beginning', async () => {
    const long = `${'awful '.repeat(50)}${TEXT}`;
    expect(await ask('sentiment', long, { max_length: 6, truncation_direction: 'left' })).not.toEqual(
      await ask('sentiment', long, { max_length: 6 }),
    );
  });

  test('special tokens may be left out', async () => {
    const [[all], [bare]] = [await features({}), await features({ add_special_tokens: false })];
    expect(bare).toHaveLength(all!.length - 2);
    const none = { inputs: '', parameters: { add_special_tokens: false } };
    expect((await server.post('/models/sentiment', none)).status).toBe(400);
  });
});

describe('other tasks of the same weights', () => {
  const similarity = { source_sentence: 'A cat sleeps.', sentences: ['A cat rests.', 'It rains.'] };

  test('are asked by the shape of the inputs, a parameter, or the path', async () => {
    const wanted = (await ask('embeddings', similarity)) as number[];
    expect(wanted).toHaveLength(2);
    expect(await ask('embeddings', similarity, { task: 'sentence-similarity' })).toEqual(wanted);
    const byPath = await server.post('/pipeline/sentence-similarity/embeddings', { inputs: similarity });
    expect(byPath).toMatchObject({ status: 200, body: wanted });
    expect(await ask('zero-shot', 'fine', { task: 'text-classification' })).toMatchObject([
      { score: expect.any(Number) },
    ]);
  });

  test('what the weights do not serve is refused by naming what they do', async () => {
    for (const [model, task] of [
      ['ner', 'fill-mask'],
      ['embeddings', 'text-classification'],
      ['sentiment', 'text-ranking'],
      ['sentiment', 'poetry'],
    ]) {
      const answer = await server.post(`/pipeline/${task}/${model}`, { inputs: 'x' });
      expect(answer).toMatchObject({ status: 400, body: { code: 'INVALID_INPUT' } });
    }
    const answer = await server.post('/pipeline/fill-mask/embeddings', { inputs: 'x' });
    expect(answer.body).toMatchObject({ error: expect.stringContaining('sentence-similarity') });
  });
});

test('a person finds the documentation, a program the places of everything', async () => {
  const page = await fetch(`${server.running.url}/`, { headers: { accept: 'text/html,*/*' }, redirect: 'manual' });
  expect([page.status, page.headers.get('location')]).toEqual([302, 'docs']);
  expect((await server.get('/')).body).toMatchObject({ name: 'modelkeep', openapi: 'openapi.json' });
  for (const path of ['/health', '/healthz', '/ping'])
    expect((await server.get(path)).body).toMatchObject({ ready: true });
  const models = (await server.get('/models')).body as { model: string; pipeline_tag: string; tasks: string[] }[];
  expect(models.map(({ model }) => model)).toEqual(['embeddings', 'fill-mask', 'ner', 'qa', 'sentiment', 'zero-shot']);
  expect((await server.get('/models/embeddings@nothing')).status).toBe(404);
  expect((await server.get('/models/embeddings:1')).body).toMatchObject({
    id: 'embeddings:1',
    version: 1,
    pipeline_tag: 'sentence-embeddings',
    tasks: ['sentence-embeddings', 'sentence-similarity', 'feature-extraction'],
  });
});
