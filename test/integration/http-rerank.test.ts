import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { golden } from '../unit/tasks/directory-files.js';
import { modelHome, startServer, type ModelHome, type TestServer } from './http-harness.js';

/** What `CrossEncoder.predict` of sentence-transformers gives. */
interface Case {
  readonly query: string;
  readonly texts: readonly string[];
  readonly sigmoid?: readonly number[];
  readonly raw?: readonly number[];
  /** The scores where a long text loses its beginning, or its end. */
  readonly left?: readonly number[];
  readonly right?: readonly number[];
}

const { cases } = golden<{ readonly cases: readonly Case[] }>('tasks/ranking/golden.json');
const short = cases.filter((each) => each.sigmoid !== undefined);
const long = cases.filter((each) => each.left !== undefined);

let home: ModelHome;
let server: TestServer;
beforeAll(async () => {
  home = modelHome();
  await home.publish('tasks/ranking', 'ranking');
  server = await startServer(home, { defaultModel: 'ranking' });
});
afterAll(async () => {
  await server.close();
  home[Symbol.dispose]();
});

async function asked(path: string, body: object): Promise<unknown> {
  const answer = await server.post(path, body);
  expect([answer.status, answer.status === 200 ? '' : answer.body]).toEqual([200, '']);
  return answer.body;
}

/** Scores by falling value, each under the name that a form has for it. */
const ranked = (scores: readonly number[] = [], name = 'score') =>
  scores
    .map((score, index) => ({ index, score }))
    .toSorted((a, b) => b.score - a.score)
    .map(({ index, score }) => ({ index, [name]: expect.closeTo(score, 4) as number }));

const input = (name: string, data: readonly string[]) => ({ name, shape: [data.length], datatype: 'BYTES', data });

describe('a cross-encoder ranks as its library does', () => {
  test.each(short)('in the form of Text Embeddings Inference: $query', async ({ query, texts, sigmoid, raw }) => {
    expect(await asked('/rerank', { query, texts })).toEqual(ranked(sigmoid));
    expect(await asked('/tei/ranking/rerank', { query, texts, raw_scores: true })).toEqual(ranked(raw));
    const whole = (await asked('/rerank', { query, texts, return_text: true })) as { index: number; text: string }[];
    for (const { index, text } of whole) expect(text).toBe(texts[index]);
  });

  test.each(short)('in the form of Cohere and Jina: $query', async ({ query, texts, sigmoid }) => {
    const results = ranked(sigmoid, 'relevance_score');
    for (const path of ['/v1/rerank', '/v2/rerank']) {
      const body = { model: 'ranking', query, documents: texts };
      expect(await asked(path, body)).toMatchObject({ results, id: expect.stringMatching(/./) });
      expect(await asked(path, { ...body, top_n: 2 })).toMatchObject({ results: results.slice(0, 2) });
      const documents = texts.map((text) => ({ text, title: 'kept by the client' }));
      expect(await asked(path, { ...body, documents, return_documents: true })).toMatchObject({
        results: results.map((one) => ({ ...one, document: { text: texts[one.index] } })),
      });
    }
  });

  test.each(short)('in the Hugging Face form and over the Open Inference Protocol: $query', async (row) => {
    const { query, texts, sigmoid } = row;
    expect(await asked('/models/ranking', { inputs: { query, texts } })).toEqual(ranked(sigmoid));
    const inputs = [input('query', [query]), input('texts', texts)];
    const { outputs } = (await asked('/v2/models/ranking/infer', { inputs })) as { outputs: { data: string[] }[] };
    expect(outputs[0]?.data.map((one) => JSON.parse(one) as unknown)).toEqual(ranked(sigmoid));
  });
});

describe('what is too long', () => {
  test.each(long)('is cut at the end that is asked for', async ({ query, texts, left, right }) => {
    for (const [side, scores] of [
      ['left', left],
      ['right', right],
    ] as const) {
      const cut = { truncate: true, truncation_direction: side };
      expect(await asked('/rerank', { query, texts, ...cut })).toEqual(ranked(scores));
      const inputs = { query, texts };
      expect(await asked('/models/ranking', { inputs, parameters: cut })).toEqual(ranked(scores));
      const named = { truncation: 'longest_first', truncation_direction: side };
      expect(await asked('/models/ranking', { inputs, parameters: named })).toEqual(ranked(scores));
    }
    expect(await asked('/rerank', { query, texts, truncate: true })).toEqual(ranked(right));
  });

  test.each(long)('is refused where it may not be cut', async ({ query, texts }) => {
    const refused = { status: 413, body: { error_type: 'Validation', code: 'INVALID_INPUT' } };
    expect(await server.post('/rerank', { query, texts })).toMatchObject(refused);
    expect(await server.post('/rerank', { query, texts, truncate: false })).toMatchObject(refused);
    const error = { status: 400, body: { error: expect.stringContaining('inputs.texts[') } };
    for (const parameters of [{ truncate: false }, { truncation: false }, { truncation: 'do_not_truncate' }]) {
      expect(await server.post('/models/ranking', { inputs: { query, texts }, parameters })).toMatchObject(error);
    }
  });
});
