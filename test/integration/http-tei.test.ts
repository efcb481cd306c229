import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { modelHome, startServer, type ModelHome, type TestServer } from './http-harness.js';

let home: ModelHome;
let server: TestServer;

beforeAll(async () => {
  home = modelHome();
  await home.publish('tasks/embeddings', 'team/embeddings');
  await home.publish('sentiment/v2', 'sentiment');
  server = await startServer(home, { defaultModel: 'team/embeddings' });
});
afterAll(async () => {
  await server.close();
  home[Symbol.dispose]();
});

const EMBEDDINGS = '/tei/team/embeddings';
/** One vector, to 5 digits. */
const near = (vector: readonly number[]) => [vector.map((value): unknown => expect.closeTo(value, 5))];
const vectors = (body: unknown): readonly (readonly number[])[] => body as number[][];

/** What the Hugging Face form gives for the same. */
async function asked(path: string, body: object): Promise<unknown> {
  const answer = await server.post(path, body);
  expect(answer.status).toBe(200);
  return answer.body;
}

describe('the model of a request', () => {
  test('is that of the path, a header, the query, the body, or the default of the server', async () => {
    const body = { inputs: ['A cat sleeps.'] };
    const wanted = await asked(`${EMBEDDINGS}/embed`, body);
    expect(await asked('/embed', body)).toEqual(wanted);
    expect(await asked('/embed?model=team/embeddings', body)).toEqual(wanted);
    expect(await asked('/embed', { ...body, model: 'team/embeddings:1' })).toEqual(wanted);
    const named = await server.post('/predict', { inputs: 'fine' }, { headers: { 'x-modelkeep-model': 'sentiment' } });
    expect(named.headers.get('x-modelkeep-model')).toBe('sentiment');
    expect(named.headers.get('x-modelkeep-version')).toBe('1');
  });

  test('has to be named where the server has no default', async () => {
    await using other = await startServer(home);
    expect(await other.post('/embed', { inputs: 'x' })).toMatchObject({
      status: 422,
      body: { error_type: 'Validation', code: 'INVALID_INPUT', error: expect.stringContaining('--default-model') },
    });
    expect((await other.get('/info')).status).toBe(422);
  });
});

describe('embed', () => {
  test('gives vectors of length 1, or as they are', async () => {
    const inputs = ['A cat sleeps.', 'It rains.'];
    const unit = vectors(await asked(`${EMBEDDINGS}/embed`, { inputs }));
    for (const vector of unit) expect(Math.hypot(...vector)).toBeCloseTo(1, 5);
    const raw = await asked('/models/team/embeddings', { inputs, parameters: { normalize: false } });
    expect(await asked(`${EMBEDDINGS}/embed`, { inputs, normalize: false })).toEqual(raw);
    expect(await asked(`${EMBEDDINGS}/embed`, { inputs: inputs[0] })).toEqual([unit[0]]);
    expect(await asked(EMBEDDINGS, { inputs })).toEqual(unit);
    expect(await asked('/', { inputs })).toEqual(unit);
    const [short] = vectors(await asked(`${EMBEDDINGS}/embed`, { inputs: inputs[0], dimensions: 8 }));
    expect(short).toHaveLength(8);
  });

  test('takes ids of tokens, which tokenize gives', async () => {
    const text = 'A cat sleeps.';
    const [tokens] = (await asked(`${EMBEDDINGS}/tokenize`, { inputs: text })) as { id: number }[][];
    const ids = tokens!.map(({ id }) => id);
    const [wanted] = vectors(await asked(`${EMBEDDINGS}/embed`, { inputs: text }));
    expect(vectors(await asked(`${EMBEDDINGS}/embed`, { inputs: [ids] }))[0]).toEqual(wanted);
    expect(vectors(await asked(`${EMBEDDINGS}/embed`, { inputs: ids }))[0]).toEqual(wanted);
  });

  test('refuses a long text unless it may cut it', async () => {
    const inputs = 'cat '.repeat(600);
    expect(await server.post(`${EMBEDDINGS}/embed`, { inputs })).toMatchObject({
      status: 413,
      body: { error_type: 'Validation' },
    });
    const cut = vectors(await asked(`${EMBEDDINGS}/embed`, { inputs, truncate: true }));
    const right = vectors(
      await asked(`${EMBEDDINGS}/embed`, { inputs, truncate: true, truncation_direction: 'Right' }),
    );
    expect(right).toEqual(cut);
  });

  test('cuts a long text at the end that is asked for, and so does similarity', async () => {
    const text = `${'cat '.repeat(60)}${'dog '.repeat(60)}`;
    const [tokens] = (await asked(`${EMBEDDINGS}/tokenize`, { inputs: text })) as { id: number }[][];
    const ids = tokens!.map(({ id }) => id);
    const inner = ids.slice(1, -1);
    const around = (part: readonly number[]) => [ids[0], ...part, ids.at(-1)];
    const [left, right] = vectors(
      await asked(`${EMBEDDINGS}/embed`, { inputs: [around(inner.slice(-94)), around(inner.slice(0, 94))] }),
    );
    const cut = { inputs: [text], truncate: true };
    expect(await asked(`${EMBEDDINGS}/embed`, { ...cut, truncation_direction: 'Left' })).toEqual(near(left!));
    expect(await asked(`${EMBEDDINGS}/embed`, cut)).toEqual(near(right!));
    const parameters = { truncation: true, truncation_direction: 'left' };
    expect(await asked('/models/team/embeddings', { inputs: [text], parameters })).toEqual(near(left!));

    const dog = vectors(await asked(`${EMBEDDINGS}/embed`, { inputs: ['a dog'] }))[0]!;
    const cosine = (vector: readonly number[]) => vector.reduce((sum, value, at) => sum + value * dog[at]!, 0);
    const inputs = { source_sentence: 'a dog', sentences: [text] };
    for (const [side, vector] of [
      ['Left', left!],
      ['Right', right!],
    ] as const) {
      const similar = { inputs, parameters: { truncate: true, truncation_direction: side } };
      const wanted = [expect.closeTo(cosine(vector), 5)];
      expect(await asked(`${EMBEDDINGS}/similarity`, similar)).toEqual(wanted);
      expect(await asked('/models/team/embeddings', similar)).toEqual(wanted);
    }
    expect((await server.post(`${EMBEDDINGS}/similarity`, { inputs })).status).toBe(413);
    expect((await server.post('/models/team/embeddings', { inputs })).status).toBe(200);
    expect(await server.post('/models/team/embeddings', { inputs, parameters: { truncation: false } })).toMatchObject({
      status: 400,
      body: { error: expect.stringContaining('inputs.sentences[0]') },
    });
    expect(
      await server.post('/models/team/embeddings', { inputs, parameters: { truncation: false, truncate: true } }),
    ).toMatchObject({ status: 400, body: { error: expect.stringContaining('parameters.truncate') } });
  });

  test('cuts ids of tokens only where it is told to', async () => {
    const ids = Array.from({ length: 120 }, (_, at) => 5 + at);
    expect(await server.post(`${EMBEDDINGS}/embed`, { inputs: ids })).toMatchObject({
      status: 413,
      body: { error_type: 'Validation' },
    });
    expect((await server.post('/models/team/embeddings', { inputs: ids })).status).toBe(400);
    const cut = await asked(`${EMBEDDINGS}/embed`, { inputs: ids, truncate: true });
    expect(cut).toEqual(await asked(`${EMBEDDINGS}/embed`, { inputs: ids.slice(0, 96) }));
    const left = await asked(`${EMBEDDINGS}/embed`, { inputs: [ids], truncate: true, truncation_direction: 'left' });
    expect(left).toEqual(await asked(`${EMBEDDINGS}/embed`, { inputs: [ids.slice(-96)] }));
  });

  test('embed_all gives the vectors of tokens', async () => {
    const inputs = ['A cat sleeps.', 'It rains.'];
    const [first] = (await asked('/pipeline/feature-extraction/team/embeddings', {
      inputs: inputs[0],
    })) as number[][][];
    const all = (await asked(`${EMBEDDINGS}/embed_all`, { inputs })) as number[][][];
    expect(all).toHaveLength(2);
    expect(all[0]).toHaveLength(first!.length);
    all[0]!.forEach((vector, token) =>
      vector.forEach((value, at) => expect(value).toBeCloseTo(first![token]![at]!, 5)),
    );
  });
});

/** What the Hugging Face form gives for all labels. */
const labelsOf = async (inputs: unknown) => {
  const answer = await asked('/models/sentiment', { inputs, parameters: { top_k: null } });
  return answer as readonly { label: string; score: number }[];
};

describe('predict', () => {
  test('takes a text, a pair, and a batch of both', async () => {
    const one = await labelsOf('fine');
    expect(await asked('/tei/sentiment/predict', { inputs: 'fine' })).toEqual(one);
    expect(await asked('/tei/sentiment/predict', { inputs: ['fine'] })).toEqual(one);
    const pair = await labelsOf({ text: 'fine', text_pair: 'film' });
    expect(await asked('/tei/sentiment/predict', { inputs: ['fine', 'film'] })).toEqual(pair);
    const batch = (await asked('/tei/sentiment/predict', { inputs: [['fine'], ['fine', 'film']] })) as unknown[];
    expect(batch).toHaveLength(2);
    expect(batch[1]).toMatchObject(pair.map(({ label, score }) => ({ label, score: expect.closeTo(score, 6) })));
  });

  test('gives logits as raw scores', async () => {
    const raw = (await asked('/tei/sentiment/predict', { inputs: 'fine', raw_scores: true })) as { score: number }[];
    expect(raw.reduce((sum, { score }) => sum + Math.exp(score), 0)).not.toBeCloseTo(1, 2);
  });
});

describe('tokenize and decode', () => {
  test('are inverse to each other, and say where tokens lie', async () => {
    const text = 'it was a fine film';
    const [tokens] = (await asked('/tei/sentiment/tokenize', { inputs: text })) as {
      id: number;
      text: string;
      special: boolean;
      start: number | null;
      stop: number | null;
    }[][];
    const own = tokens!.filter(({ special }) => !special);
    expect(tokens!.map(({ special }) => special)).toEqual([true, ...own.map(() => false), true]);
    for (const { text: part, start, stop } of own) expect(text.slice(start!, stop!)).toBe(part);
    const ids = tokens!.map(({ id }) => id);
    expect(await asked('/tei/sentiment/decode', { ids })).toEqual([text]);
    expect(await asked('/tei/sentiment/decode', { ids: [ids, ids] })).toEqual([text, text]);
    const [bare] = (await asked('/tei/sentiment/tokenize', {
      inputs: [text],
      add_special_tokens: false,
    })) as unknown[][];
    expect(bare).toEqual(own);
  });
});

describe('errors', () => {
  test.each([
    ['no text', `${EMBEDDINGS}/embed`, { inputs: [] }, 400, 'Empty'],
    ['no inputs', `${EMBEDDINGS}/embed`, {}, 422, 'Validation'],
    ['a number', `${EMBEDDINGS}/embed`, { inputs: 5 }, 422, 'Validation'],
    ['too many texts', `${EMBEDDINGS}/embed`, { inputs: Array.from({ length: 2_049 }, () => 'x') }, 413, 'Validation'],
    ['three texts as a pair', '/tei/sentiment/predict', { inputs: ['a', 'b', 'c'] }, 422, 'Validation'],
    ['another kind of model', '/tei/sentiment/embed', { inputs: 'x' }, 422, 'Validation'],
    ['several labels', '/tei/sentiment/rerank', { query: 'a', texts: ['b'] }, 422, 'Validation'],
    ['a token that is none', '/tei/sentiment/decode', { ids: [99_999_999] }, 422, 'Validation'],
    ['no such model', '/tei/nothing/embed', { inputs: 'x' }, 404, 'Validation'],
    ['no such prompt', `${EMBEDDINGS}/embed`, { inputs: 'x', prompt_name: 'q' }, 422, 'Validation'],
  ])('%s', async (_what, path, body, status, type) => {
    expect(await server.post(path, body)).toMatchObject({
      status,
      body: { error: expect.stringMatching(/\w/), error_type: type, code: expect.stringMatching(/^[A-Z_]+$/) },
    });
  });
});

test('info says what a model is', async () => {
  expect((await server.get(`${EMBEDDINGS}/info`)).body).toMatchObject({
    model_id: 'team/embeddings',
    served_model_name: 'team/embeddings:1',
    model_sha: expect.stringMatching(/^sha256:/),
    model_dtype: 'float32',
    model_type: { embedding: {} },
    max_input_length: 96,
    version: '0.0.0-test',
  });
  expect((await server.get('/tei/sentiment/info')).body).toMatchObject({
    model_type: { classifier: { id2label: { 0: 'NEGATIVE', 1: 'POSITIVE' }, label2id: { NEGATIVE: 0, POSITIVE: 1 } } },
  });
  expect((await server.get(`${EMBEDDINGS}/health`)).status).toBe(200);
  expect((await server.get('/tei/nothing/health')).status).toBe(404);
});
