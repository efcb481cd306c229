import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { compareEvaluations, evaluate, openModelkeep, openStore, push, type Modelkeep } from '../../src/app/index.js';
import { goldenRows } from '../unit/tasks/directory-files.js';
import { cliHome, fixture, type CliHome, type ErrorDocument, type JsonRan } from './cli-harness.js';

const EVAL = fixture('sentiment/eval.jsonl');

/** Accuracies of test/fixtures/sentiment/accuracy.json; v2-onnx has those of v2. */
const ACCURACY = [
  [1, 'v1', 0.648],
  [2, 'v2', 0.804],
  [3, 'v3-head', 0.808],
  [4, 'v4-bad', 0.182],
  [5, 'v2-onnx', 0.804],
] as const;

interface EvalDocument {
  readonly version: number;
  readonly examples: number;
  readonly figures: Readonly<Record<string, number>>;
  readonly latencyMs: { readonly p50: number; readonly p95: number };
  readonly throughputPerSecond: number;
}

let home: CliHome;
let keep: Modelkeep;
beforeAll(async () => {
  home = cliHome();
  await using store = await openStore(home.storeUrl);
  for (const [, folder] of ACCURACY) await push(store, fixture(`sentiment/${folder}`), { name: 'sentiment' });
  await push(store, fixture('tasks/qa'), { name: 'qa' });
  keep = await openModelkeep({ store: home.storeUrl, cacheDir: join(home.root, 'cache'), runners: 1, threads: 1 });
});
afterAll(async () => {
  await keep.close();
  home[Symbol.dispose]();
});

const measured = async (version: number) =>
  evaluate(await keep.load(`sentiment:${version}`), goldenRows('sentiment/eval.jsonl'));

describe('the library', () => {
  test.each(ACCURACY)('version %i, %s, has the accuracy %f', async (version, _folder, accuracy) => {
    const { examples, figures, task } = await measured(version);
    expect({ examples, task, accuracy: figures['accuracy'] }).toEqual({
      examples: 500,
      task: 'text-classification',
      accuracy,
    });
  });

  test('says which differences are more than chance', async () => {
    const [v1, v2, v3] = [await measured(1), await measured(2), await measured(3)];
    expect(compareEvaluations(v1, v2)).toMatchObject({ test: 'McNemar', figure: 'accuracy', significant: true });
    expect(compareEvaluations(v1, v2).difference).toBeCloseTo(0.156, 12);
    const close = compareEvaluations(v2, v3);
    expect(close.significant).toBe(false);
    expect(close.conclusion).toContain('not significant');
    expect((close.onlySecond ?? 0) - (close.onlyFirst ?? 0)).toBe(2);
  });

  test('takes as many examples as it is told, and reports each', async () => {
    const seen: number[] = [];
    const rows = goldenRows<Record<string, unknown>>('sentiment/eval.jsonl');
    const model = await keep.load('sentiment:2');
    const { examples, outcomes } = await evaluate(model, rows, { limit: 7, onProgress: (count) => seen.push(count) });
    expect([examples, outcomes.length, seen]).toEqual([7, 7, [1, 2, 3, 4, 5, 6, 7]]);
  });

  test.each([
    [[], undefined],
    [[{ text: 'fine' }], 1],
    [[{ text: 'fine', label: 'POSITIVE' }, { label: 'POSITIVE' }], 2],
    [[{ text: 'fine', label: 'GOOD' }], 1],
  ])('refuses the examples %j, naming number %s', async (rows, example) => {
    const refused = evaluate(await keep.load('sentiment:2'), rows);
    await expect(refused).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      details: example === undefined ? {} : { example },
    });
  });

  test('loads a model as the task that its caller expects, and refuses another', async () => {
    const reader = await keep.load('qa', { task: 'question-answering' });
    expect(await reader.predict({ question: 'Who?', context: 'It was Ada.' })).toHaveProperty('answer');
    expect(reader).toBe(await keep.load('qa'));
    await expect(keep.load('qa', { task: 'fill-mask' })).rejects.toMatchObject({ code: 'INVALID_INPUT' });
  });

  test('versions of two tasks are not compared', async () => {
    const rows = [{ question: 'Who?', context: 'It was Ada.', answers: ['Ada'] }];
    const reader = await evaluate(await keep.load('qa'), rows);
    expect(Object.keys(reader.figures)).toEqual(['exactMatch', 'f1']);
    const sentiment = await evaluate(await keep.load('sentiment:2'), [{ text: 'fine', label: 'POSITIVE' }]);
    expect(() => compareEvaluations(reader, sentiment)).toThrow(expect.objectContaining({ code: 'INVALID_INPUT' }));
  });
});

describe('the command line', () => {
  test('gives figures, latency and throughput as one document', async () => {
    const { code, value } = (await home.json(['eval', 'sentiment:2', '--data', EVAL])) as JsonRan<EvalDocument>;
    expect(code).toBe(0);
    expect(value).toMatchObject({ version: 2, examples: 500, figures: { accuracy: 0.804 } });
    expect(value.latencyMs.p50).toBeGreaterThan(0);
    expect(value.latencyMs.p95).toBeGreaterThanOrEqual(value.latencyMs.p50);
    expect(value.throughputPerSecond).toBeGreaterThan(0);
    expect(value).not.toHaveProperty('outcomes');
  });

  test('compares side by side and concludes', async () => {
    const args = ['eval', 'sentiment:1', '--data', EVAL, '--compare', 'sentiment:2'];
    const { code, stdout } = await home.run(args);
    expect(code).toBe(0);
    expect(stdout).toMatch(/accuracy +0\.648 +0\.804/);
    expect(stdout).toContain('sentiment:2 is significantly better than sentiment:1');
  });

  test('reads a table, and standard input', async () => {
    const table = join(home.root, 'eval.csv');
    writeFileSync(table, 'text,label\r\n"Lovely, really",POSITIVE\r\nAwful,NEGATIVE\r\n');
    const { value } = (await home.json([
      'eval',
      'sentiment:2',
      '--data',
      table,
      '--limit',
      '2',
    ])) as JsonRan<EvalDocument>;
    expect(value).toMatchObject({ examples: 2, figures: { accuracy: 1 } });
    const input = '{"text": "Awful", "label": "NEGATIVE"}\n';
    const piped = (await home.json(['eval', 'sentiment:2', '--data', '-'], { input })) as JsonRan<EvalDocument>;
    expect(piped.value).toMatchObject({ examples: 1, figures: { accuracy: 1 } });
  });

  test.each([
    [['--data', '/nowhere.jsonl']],
    [['--data', EVAL, '--limit', '0']],
    [['--data', EVAL, '--limit', 'many']],
    [['--data', '-', '--compare', 'sentiment:1']],
    [['--data', EVAL, '--param', 'temperature=1']],
    [['--data', EVAL, '--compare', 'qa']],
    [[]],
  ])('%j is refused', async (args) => {
    const { code, value } = (await home.json(['eval', 'sentiment:2', ...args])) as JsonRan<ErrorDocument>;
    expect([code, value.error.code]).toEqual([2, 'INVALID_INPUT']);
  });
});
