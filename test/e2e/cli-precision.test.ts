import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { comparePrecision, openStore, push, type VersionStore } from '../../src/app/index.js';
import { cliHome, fixture, type CliHome } from './cli-harness.js';

let home: CliHome;
let store: VersionStore;
let texts = '';
beforeAll(async () => {
  home = cliHome();
  store = await openStore(home.storeUrl);
  for (const [name, folder] of [
    ['sentiment', 'sentiment/v2'],
    ['onnx', 'sentiment/v2-onnx'],
    ['embeddings', 'tasks/embeddings'],
    ['ner', 'tasks/ner'],
  ] as const)
    await push(store, fixture(folder), { name });
  texts = join(home.root, 'texts.txt');
  writeFileSync(texts, 'Happy coding !!!\nThe room was dirty.\nIt was fine, I suppose.\n');
});
afterAll(async () => {
  await store.close();
  home[Symbol.dispose]();
});

test('push --precision is told by show, and predict answers in it or as it is told', async () => {
  const pushed = await home.json(['push', fixture('sentiment/v2'), '--name', 'quick', '--precision', 'int8']);
  expect(pushed).toMatchObject({ code: 0, value: { created: true, sentBytes: 0 } });
  expect((await home.run(['show', 'quick'])).stdout).toMatch(/^precision +int8$/m);
  const ask = ['predict', 'quick', 'Happy coding !!!'];
  const [rough, exact] = [await home.json(ask), await home.json([...ask, '--precision', 'fp32'])];
  const plain = await home.json(['predict', 'sentiment', 'Happy coding !!!']);
  const answers = [rough, exact, plain].map(({ value }) => (value as { answers: unknown }).answers);
  expect(answers[1]).toEqual(answers[2]);
  expect(answers[0]).not.toEqual(answers[1]);
});

test('compare-precision says how near the answers are, and how fast', async () => {
  const { code, value } = await home.json(['compare-precision', 'sentiment', '--data', texts]);
  expect(code).toBe(0);
  expect(value).toMatchObject({
    model: 'sentiment',
    version: 1,
    task: 'text-classification',
    precision: 'int8',
    texts: 3,
    topLabel: { agreement: 1, decisions: 3 },
  });
  const { cosine, textsPerSecond } = value as Awaited<ReturnType<typeof comparePrecision>>;
  expect(cosine.min).toBeGreaterThan(0.98);
  expect(cosine.mean).toBeLessThan(1);
  expect(textsPerSecond.ratio).toBeCloseTo(textsPerSecond.other / textsPerSecond.fp32, 6);
  const table = await home.run(['compare-precision', 'sentiment', '--data', texts, '--limit', '1']);
  expect(table.stdout).toMatch(/^sentiment:1 on 1 texts\n/);
  expect(table.stdout).toMatch(/same best label \(1\) +100 % +100\.0 %/);
});

test('compare-precision refuses what it cannot compare', async () => {
  const data = ['--data', texts];
  for (const args of [
    ['sentiment', ...data, '--precision', 'fp32'],
    ['sentiment', ...data, '--precision', 'int4'],
    ['sentiment', ...data, '--limit', '0'],
    ['onnx', ...data],
  ])
    expect(await home.json(['compare-precision', ...args])).toMatchObject({
      code: 2,
      value: { error: { code: 'INVALID_INPUT' } },
    });
});

test('models of vectors and of tokens are compared likewise', async () => {
  const options = { cacheDir: join(home.root, 'cache'), runners: 1, threads: 1 };
  const requests = [{ inputs: 'Ada wrote the first program.' }, { inputs: 'It rained in Berlin.' }];
  const vectors = await comparePrecision(store, 'embeddings', requests, options);
  expect(vectors.cosine.min).toBeGreaterThan(0.95);
  expect(vectors.topLabel).toBeUndefined();
  const done: number[] = [];
  const tokens = await comparePrecision(store, 'ner', requests, {
    ...options,
    precision: 'int8-weights',
    onProgress: (count, total) => done.push(count / total),
  });
  expect(tokens.topLabel?.decisions).toBeGreaterThan(2);
  expect(tokens.topLabel?.agreement).toBeGreaterThan(0.8);
  expect(done.at(-1)).toBe(1);
  expect(done).toEqual(done.toSorted((a, b) => a - b));
});
