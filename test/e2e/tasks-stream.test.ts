import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openStore, push } from '../../src/app/index.js';
import { cliHome, fixture, type CliHome, type ErrorDocument, type JsonRan } from './cli-harness.js';

const TASKS = {
  sentiment: 'sentiment/v2',
  ner: 'tasks/ner',
  qa: 'tasks/qa',
  words: 'tasks/fill-mask',
  vectors: 'tasks/embeddings',
} as const;

let home: CliHome;
beforeAll(async () => {
  home = cliHome();
  await using store = await openStore(home.storeUrl);
  for (const [name, folder] of Object.entries(TASKS)) await push(store, fixture(folder), { name });
  await push(store, fixture('tasks/zero-shot'), { name: 'topics', task: 'zero-shot-classification' });
});
afterAll(() => home[Symbol.dispose]());

const lines = (...requests: readonly unknown[]) => requests.map((one) => `${JSON.stringify(one)}\n`).join('');

/** Asks one request of the inference form, and reads its answer. */
async function ask(model: string, request: unknown): Promise<unknown> {
  const { code, stdout, stderr } = await home.run(['predict', model], { input: lines(request) });
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return JSON.parse(stdout) as unknown;
}

describe('a long stream', () => {
  test('of 10,000 lines is answered in order with a heap that would not hold it', async () => {
    const path = join(home.root, 'long.csv');
    const padding = '.'.repeat(3_000);
    const rows = Array.from({ length: 10_000 }, (_, i) => `${i},fine,${padding}\r\n`);
    // 30 MB of input, each row of which comes out again, through 24 MB of heap.
    writeFileSync(path, `id,text,padding\r\n${rows.join('')}`);
    const environment = { NODE_OPTIONS: '--max-old-space-size=24' };
    const { code, stdout, stderr } = await home.run(['predict', 'sentiment', '--file', path], { environment });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const answered = stdout.split('\r\n');
    expect(answered).toHaveLength(10_002);
    expect(answered[0]).toBe('id,text,padding,label,score');
    expect(answered.slice(1, -1).every((line, i) => line.startsWith(`${i},fine,${padding},POSITIVE,0.`))).toBe(true);
  }, 60_000);

  test('ends at the first bad line, after the answers before it', async () => {
    const input = lines({ text: 'fine' }, { text: 'awful' }, { text: 7 }, { text: 'fine' });
    const { code, stdout, stderr } = await home.run(['predict', 'sentiment', '--input', 'jsonl'], { input });
    expect(code).toBe(2);
    expect(stdout.trimEnd().split('\n')).toHaveLength(2);
    expect(stderr).toContain('input 3');
  });
});

describe('bad input', () => {
  test.each([
    ['sentiment', { inputs: '' }],
    ['sentiment', { inputs: '   ' }],
    ['sentiment', { inputs: '👩‍👩‍👧 é مرحبا 漢字 \u0000 end' }],
    ['sentiment', { inputs: 'word '.repeat(200_000) }],
    ['ner', { inputs: 'word '.repeat(20_000) }],
  ] as const)('%s answers %#', async (model, request) => {
    expect(await ask(model, request)).toBeInstanceOf(Array);
  });

  test.each([
    ['sentiment', '{"inputs": "half \\ud83d a pair"}\n', 'inputs'],
    ['words', lines({ inputs: 'no mask here' }), 'inputs'],
    ['qa', lines({ inputs: { question: 'Who?' } }), 'inputs.context'],
    ['qa', lines({ inputs: { question: 'Who?', context: '' } }), 'inputs.context'],
    ['topics', lines({ inputs: 'x', parameters: { candidate_labels: [] } }), 'parameters.candidate_labels'],
    ['topics', lines({ inputs: 'x' }), 'parameters.candidate_labels'],
    ['vectors', lines({ inputs: 7 }), 'inputs'],
    ['ner', lines({ inputs: 'x', parameters: { aggregation_strategy: 'best' } }), 'parameters.aggregation_strategy'],
  ])('%s refuses %j, naming %s', async (model, input, field) => {
    const { code, value } = (await home.json(['predict', model], { input })) as JsonRan<ErrorDocument>;
    expect([code, value.error.code]).toEqual([2, 'INVALID_INPUT']);
    expect(value.error.message).toContain(`${field} `);
  });
});
