import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { AuthenticationError, BadRequestError, NotFoundError, OpenAI, RateLimitError } from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { addKey } from '../../src/app/index.js';
import { runClient } from './clients-python.js';
import {
  FIXTURES,
  modelHome,
  pauseRunner,
  startServer,
  untilBusy,
  type ModelHome,
  type TestServer,
} from './http-harness.js';

let home: ModelHome;
let server: TestServer;
let key: string;
let client: OpenAI;

interface Golden {
  readonly sentences: readonly { readonly text: string; readonly input_ids: number[]; readonly embedding: number[] }[];
}
const { sentences } = JSON.parse(readFileSync(join(FIXTURES, 'tasks/embeddings/golden.json'), 'utf8')) as Golden;
const [first, second] = sentences;

beforeAll(async () => {
  home = modelHome();
  await home.publish('tasks/embeddings', 'embeddings');
  await home.publish('tasks/embeddings', 'team/embeddings');
  await home.publish('sentiment/v1', 'sentiment');
  await home.setAlias('embeddings', 'production', 1);
  const authKeys = join(home.root, 'keys.json');
  key = (await addKey(authKeys, { name: 'all', scopes: ['infer', 'read'] })).key;
  server = await startServer(home, { authKeys });
  client = new OpenAI({ baseURL: `${server.running.url}/v1`, apiKey: key, maxRetries: 0 });
});

afterAll(async () => {
  await server.close();
  home[Symbol.dispose]();
});

function expectClose(actual: readonly number[] | undefined, expected: readonly number[] | undefined): void {
  expect(actual).toHaveLength(expected?.length ?? -1);
  const differences = (actual ?? []).map((value, at) => Math.abs(value - (expected?.[at] ?? Number.NaN)));
  expect(Math.max(...differences)).toBeLessThan(1e-4);
}

const lengthOf = (vector: readonly number[]): number => Math.hypot(...vector);

describe('the openai package for Node.js', () => {
  test('embeds a text and texts, as sentence-transformers does, and counts tokens', async () => {
    const texts = [first?.text ?? '', second?.text ?? ''];
    const one = await client.embeddings.create({ model: 'embeddings@production', input: texts[0] ?? '' });
    expect(one).toMatchObject({ object: 'list', model: 'embeddings@production' });
    expectClose(one.data[0]?.embedding, first?.embedding);
    const count = first?.input_ids.length ?? 0;
    expect(one.usage).toEqual({ prompt_tokens: count, total_tokens: count });
    const many = await client.embeddings.create({ model: 'embeddings', input: texts });
    expect(many.data.map(({ index, object }) => [index, object])).toEqual([
      [0, 'embedding'],
      [1, 'embedding'],
    ]);
    expectClose(many.data[1]?.embedding, second?.embedding);
    expect(many.usage.total_tokens).toBe(count + (second?.input_ids.length ?? 0));
  });

  test('takes tokens, one list or several', async () => {
    const ids = [first?.input_ids ?? [], second?.input_ids ?? []];
    const one = await client.embeddings.create({ model: 'embeddings', input: ids[0] ?? [] });
    expectClose(one.data[0]?.embedding, first?.embedding);
    const many = await client.embeddings.create({ model: 'embeddings', input: ids });
    expectClose(many.data[1]?.embedding, second?.embedding);
    expect(many.data).toHaveLength(2);
  });

  test('gives fewer dimensions, of length 1', async () => {
    const { data } = await client.embeddings.create({ model: 'embeddings', input: 'A cat', dimensions: 4 });
    expect(data[0]?.embedding).toHaveLength(4);
    expect(lengthOf(data[0]?.embedding ?? [])).toBeCloseTo(1, 5);
  });

  test('base64 and floats are the same numbers', async () => {
    const body = { model: 'embeddings', input: 'A cat sleeps.' };
    const headers = { authorization: `Bearer ${key}` };
    const floats = await server.post('/v1/embeddings', { ...body, encoding_format: 'float' }, { headers });
    const base64 = await server.post('/v1/embeddings', { ...body, encoding_format: 'base64' }, { headers });
    const [plain, coded] = [floats, base64].map(
      ({ body: answer }) => (answer as { data: { embedding: unknown }[] }).data[0]?.embedding,
    ) as [number[], string];
    const bytes = Buffer.from(coded, 'base64');
    expect(plain.map((_, at) => bytes.readFloatLE(4 * at))).toEqual(plain.map(Math.fround));
  });

  test('lists models, and tells of one', async () => {
    const ids: string[] = [];
    for await (const model of client.models.list()) ids.push(model.id);
    expect(ids).toEqual(['embeddings', 'sentiment', 'team/embeddings']);
    for (const id of ['team/embeddings', 'embeddings@production', 'embeddings:1']) {
      expect(await client.models.retrieve(id)).toMatchObject({ id, object: 'model', created: expect.any(Number) });
    }
  });

  test('throws its own errors', async () => {
    const { embeddings, models } = client;
    await expect(embeddings.create({ model: 'nope', input: 'x' })).rejects.toBeInstanceOf(NotFoundError);
    await expect(models.retrieve('nope')).rejects.toMatchObject({ status: 404, code: 'MODEL_NOT_FOUND' });
    await expect(embeddings.create({ model: 'sentiment', input: 'x' })).rejects.toBeInstanceOf(BadRequestError);
    const stranger = new OpenAI({ baseURL: client.baseURL, apiKey: 'sk-wrong', maxRetries: 0 });
    await expect(stranger.models.list()).rejects.toBeInstanceOf(AuthenticationError);
  });
});

test('the openai package for Python does the same', async () => {
  const got = (await runClient('openai-client.py', [`${server.running.url}/v1`, key])) as Record<string, never>;
  const node = await client.embeddings.create({ model: 'embeddings', input: ['A cat sleeps.', 'A dog barks.'] });
  expectClose(got['one'], node.data[0]?.embedding);
  expectClose(got['many']?.[1], node.data[1]?.embedding);
  expect(got).toMatchObject({
    usage: expect.any(Number),
    indexes: [0, 1],
    short: [expect.any(Number), expect.any(Number), expect.any(Number), expect.any(Number)],
    models: ['embeddings', 'sentiment', 'team/embeddings'],
    model: 'team/embeddings',
    missing: ['NotFoundError', 404, 'MODEL_NOT_FOUND'],
    task: ['BadRequestError', 400, 'INVALID_INPUT'],
    'wrong key': ['AuthenticationError', 401, 'UNAUTHENTICATED'],
  });
});

test('a full queue is a RateLimitError at once that says when to try again, and what was taken is answered', async () => {
  await using small = await startServer(home, { maxQueue: 1, preload: ['embeddings'] });
  const { embeddings } = new OpenAI({ baseURL: `${small.running.url}/v1`, apiKey: 'none', maxRetries: 0 });
  const ask = { model: 'embeddings', input: 'A cat sleeps.' };
  using paused = pauseRunner(small);
  const running = embeddings.create(ask);
  await untilBusy(small, 1, 0);
  const waiting = embeddings.create(ask);
  await untilBusy(small, 1, 1);
  const refused: unknown = await embeddings.create(ask).catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(RateLimitError);
  expect(refused).toMatchObject({ status: 429, type: 'rate_limit_error', code: 'OVERLOADED' });
  expect((refused as RateLimitError).headers?.get('retry-after')).toBe('1');
  paused.resume();
  expect([(await running).data, (await waiting).data].map(({ length }) => length)).toEqual([1, 1]);
});

describe('bad input', () => {
  test.each<[string, object]>([
    ['no model', { input: 'x' }],
    ['no input', { model: 'embeddings' }],
    ['an empty list', { model: 'embeddings', input: [] }],
    ['an empty list of tokens', { model: 'embeddings', input: [[]] }],
    ['texts and tokens', { model: 'embeddings', input: ['x', 1] }],
    ['tokens that are none', { model: 'embeddings', input: [2, 1_000_000_000, 3] }],
    ['negative tokens', { model: 'embeddings', input: [-1] }],
    ['more tokens than it takes', { model: 'embeddings', input: Array.from({ length: 10_000 }, () => 5) }],
    ['more texts than allowed', { model: 'embeddings', input: Array.from({ length: 2_049 }, () => 'x') }],
    ['more dimensions than there are', { model: 'embeddings', input: 'x', dimensions: 100_000 }],
    ['no dimensions', { model: 'embeddings', input: 'x', dimensions: 0 }],
    ['an unknown format', { model: 'embeddings', input: 'x', encoding_format: 'hex' }],
    ['a malformed model', { model: 'Not A Model', input: 'x' }],
  ])('%s is an invalid_request_error that harms nobody', async (_what, body) => {
    const headers = { authorization: `Bearer ${key}` };
    const good = client.embeddings.create({ model: 'embeddings', input: 'fine' });
    const { status, body: answer } = await server.post('/v1/embeddings', body, { headers });
    expect(status).toBe(400);
    expect(answer).toEqual({
      error: {
        message: expect.stringMatching(/\w/),
        type: 'invalid_request_error',
        code: expect.stringMatching(/^INVALID_(INPUT|REFERENCE)$/),
        param: expect.toSatisfy((param: unknown) => param === null || typeof param === 'string'),
      },
    });
    expect((await good).data).toHaveLength(1);
  });
});
