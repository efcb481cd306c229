import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { addKey } from '../../src/app/index.js';
import { modelHome, pauseRunner, startServer, untilBusy, type ModelHome, type TestServer } from './http-harness.js';

let home: ModelHome;
let server: TestServer;
const keys: Record<string, string> = {};

beforeAll(async () => {
  home = modelHome();
  await home.publish('sentiment/v1', 'sentiment');
  const authKeys = join(home.root, 'keys.json');
  for (const [name, models] of [
    ['all', undefined],
    ['other', undefined],
    ['one', ['sentiment']],
  ] as const) {
    const { key } = await addKey(authKeys, {
      name,
      scopes: ['infer', 'read'],
      ...(models === undefined ? {} : { models }),
    });
    keys[name] = key;
  }
  server = await startServer(home, { authKeys, answerCache: '1MB' });
  await ask('all', 'loads it');
}, 60_000);

afterAll(async () => {
  await server.close();
  home[Symbol.dispose]();
});

async function ask(who: string, inputs: unknown, more: object = {}, headers: Readonly<Record<string, string>> = {}) {
  return server.post(
    '/models/sentiment',
    { inputs, ...more },
    { headers: { authorization: `Bearer ${keys[who]}`, ...headers } },
  );
}

/** Requests so far, by how they were answered. */
async function counts(): Promise<Record<string, number>> {
  const { body } = await server.get('/metrics', { authorization: `Bearer ${keys['all']}` });
  const found = [...String(body).matchAll(/^modelkeep_answer_cache_requests_total\{outcome="(\w+)"\} (\d+)/gm)];
  return Object.fromEntries(found.map(([, outcome = '', count]) => [outcome, Number(count)]));
}

/** What a number of requests added to the counts. */
async function added(work: () => Promise<unknown>): Promise<Record<string, number>> {
  const before = await counts();
  await work();
  const after = await counts();
  const grown = Object.entries(after).map(([outcome, count]) => [outcome, count - (before[outcome] ?? 0)] as const);
  return Object.fromEntries(grown.filter(([, count]) => count > 0));
}

test('an equal request has the equal answer and the version that gave it, whatever route it takes', async () => {
  const first = await ask('all', 'a good film');
  expect(await added(() => ask('other', 'a good film'))).toEqual({ hit: 1 });
  const again = await ask('all', 'a good film');
  expect(again.body).toEqual(first.body);
  expect(again.headers.get('x-modelkeep-version')).toBe('1');
  expect(await added(() => ask('all', 'a good film', { parameters: { top_k: null } }))).toEqual({ miss: 1 });
});

test('callers of other rights share nothing', async () => {
  await ask('all', 'a secret');
  expect(await added(() => ask('one', 'a secret'))).toEqual({ miss: 1 });
  expect(await added(() => ask('one', 'a secret'))).toEqual({ hit: 1 });
});

test('what was refused is not kept', async () => {
  const wrong = { parameters: { top_k: 'many' } };
  expect((await ask('all', 'x', wrong)).status).toBe(400);
  expect((await ask('all', 'x', wrong)).status).toBe(400);
  expect(await added(() => ask('all', 'x'))).toEqual({ miss: 1 });
});

test('equal requests at the same time are run once, and each gives up alone', async () => {
  using pause = pauseRunner(server);
  const before = await counts();
  const first = ask('all', 'at the same time');
  await untilBusy(server, 1, 0);
  const second = ask('other', 'at the same time');
  const late = await ask('all', 'at the same time', {}, { 'x-modelkeep-timeout-ms': '100' });
  expect([late.status, (late.body as { code: string }).code]).toEqual([504, 'DEADLINE_EXCEEDED']);
  await untilBusy(server, 1, 0);
  pause.resume();
  const [one, other] = await Promise.all([first, second]);
  expect([one.status, other.body]).toEqual([200, one.body]);
  const after = await counts();
  expect([after['miss']! - before['miss']!, after['joined']]).toEqual([1, 1]);
});

test('a swap makes it another question', async () => {
  const before = await ask('all', 'swapped?');
  await home.publish('sentiment/v2', 'sentiment');
  const reached = async (): Promise<string | null> =>
    (await ask('all', 'is it there')).headers.get('x-modelkeep-version');
  await expect.poll(reached, { timeout: 20_000 }).toBe('2');
  const outcome = await added(async () => {
    const after = await ask('all', 'swapped?');
    expect(after.headers.get('x-modelkeep-version')).toBe('2');
    expect(after.body).not.toEqual(before.body);
  });
  expect(outcome).toEqual({ miss: 1 });
});
