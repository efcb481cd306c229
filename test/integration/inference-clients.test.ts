import { join } from 'node:path';
import { InferenceClient } from '@huggingface/inference';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { addKey, openStore, push } from '../../src/app/index.js';
import { runClient } from './clients-python.js';
import { FIXTURES, modelHome, startServer, type ModelHome, type TestServer } from './http-harness.js';

let home: ModelHome;
let server: TestServer;
let key: string;

/** Each model with its fixture and, where the files do not say it, its task. */
const MODELS: readonly (readonly [string, string, string?])[] = [
  ['sentiment', 'sentiment/v2'],
  ['ner', 'tasks/ner'],
  ['qa', 'tasks/qa'],
  ['fill-mask', 'tasks/fill-mask'],
  ['zero-shot', 'tasks/zero-shot', 'zero-shot-classification'],
  ['embeddings', 'tasks/embeddings'],
  ['features', 'tasks/embeddings', 'feature-extraction'],
  ['similarity', 'tasks/embeddings', 'sentence-similarity'],
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
const NER = 'Ada Lovelace lived in London.';
const QUESTION = { question: 'Who wrote it?', context: 'It was Ada who wrote it.' };
const MASK = 'the new [MASK] won';
const LABELS = ['sports', 'politics', 'science'];
const SIMILAR = { source_sentence: 'A cat sleeps.', sentences: ['A cat naps.', 'A dog barks.'] };

describe('@huggingface/inference', () => {
  test('text-classification', async () => {
    const inputs = 'Happy coding !!!';
    expect(await of('sentiment').textClassification({ inputs })).toEqual(await plain('sentiment', inputs));
    const two = await of('sentiment').textClassification({ inputs, parameters: { top_k: 2 } });
    expect(two).toEqual(await plain('sentiment', inputs, { top_k: 2 }));
    expect(two).toHaveLength(2);
  });

  test('token-classification', async () => {
    const got = await of('ner').tokenClassification({ inputs: NER });
    expect(got).toEqual(await plain('ner', NER, { aggregation_strategy: 'simple' }));
    expect(got.length).toBeGreaterThan(0);
  });

  test('question-answering', async () => {
    expect(await of('qa').questionAnswering({ inputs: QUESTION })).toEqual(await plain('qa', QUESTION));
  });

  test('fill-mask', async () => {
    const got = await of('fill-mask').fillMask({ inputs: MASK, parameters: { top_k: 2 } });
    expect(got).toEqual(await plain('fill-mask', MASK, { top_k: 2 }));
  });

  test('zero-shot-classification', async () => {
    const inputs = 'A match was won.';
    const parameters = { candidate_labels: LABELS };
    const got = await of('zero-shot').zeroShotClassification({ inputs, parameters });
    const { labels, scores } = (await plain('zero-shot', inputs, parameters)) as { labels: string[]; scores: number[] };
    expect(got).toEqual(labels.map((label, at) => ({ label, score: scores[at] })));
  });

  test('feature-extraction, of a text and of texts, of tokens and of sentences', async () => {
    const inputs = ['A cat sleeps.', 'A dog barks.'];
    for (const model of ['embeddings', 'features']) {
      expect(await of(model).featureExtraction({ inputs })).toEqual(await plain(model, inputs));
      expect(await of(model).featureExtraction({ inputs: 'A cat' })).toEqual(await plain(model, 'A cat'));
    }
    const short = await of('embeddings').featureExtraction({ inputs: 'A cat', dimensions: 3, normalize: true });
    expect(short).toEqual(await plain('embeddings', 'A cat', { dimensions: 3 }));
  });

  test('sentence-similarity', async () => {
    expect(await of('similarity').sentenceSimilarity({ inputs: SIMILAR })).toEqual(await plain('similarity', SIMILAR));
  });

  test('an error is told', async () => {
    await expect(of('nope').fillMask({ inputs: MASK })).rejects.toMatchObject({ httpResponse: { status: 404 } });
    await expect(of('fill-mask').fillMask({ inputs: 'no mask' })).rejects.toThrow(/mask/);
  });
});

test('huggingface_hub.InferenceClient gets the same for every task', async () => {
  const got = (await runClient('inference-client.py', [server.running.url, key])) as Record<string, unknown>;
  const zero = await of('zero-shot').zeroShotClassification({
    inputs: 'A match was won.',
    parameters: { candidate_labels: LABELS, multi_label: true },
  });
  expect(got).toMatchObject({
    'text-classification': await plain('sentiment', 'Happy coding !!!'),
    top_k: 2,
    'token-classification': await plain('ner', NER, { aggregation_strategy: 'simple' }),
    'question-answering': await plain('qa', QUESTION),
    'fill-mask': await plain('fill-mask', MASK, { top_k: 2 }),
    'zero-shot-classification': zero,
    'sentence-similarity': await plain('similarity', SIMILAR),
    tokens: [1, expect.any(Number), expect.any(Number)],
    missing: 404,
  });
  const [vector, expected] = [got['feature-extraction'], await plain('embeddings', 'A cat sleeps.')] as number[][];
  expect(vector).toEqual(expected?.map(Math.fround));
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
