import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { differenceOf } from '../integration/tasks-model.js';
import { safetensors } from '../unit/formats/memory-files.js';
import { golden, goldenRows } from '../unit/tasks/directory-files.js';
import { cliHome, fixture, type CliHome } from './cli-harness.js';
import { LOGIT_SUITES, TASK_SUITES, type Suite } from './golden-suites.js';

let home: CliHome;
beforeAll(() => {
  home = cliHome();
});
afterAll(() => home[Symbol.dispose]());

async function push(folder: string, model: string, task?: string): Promise<void> {
  const pushed = await home.json(['push', folder, '--name', model, ...(task === undefined ? [] : ['--task', task])]);
  expect(pushed).toMatchObject({ code: 0, value: { created: true, warnings: [] } });
}

/** Asks all cases in one command, `atOnce` of them under way together: 1, or as many as are batched. */
async function differences(model: string, cases: Suite['cases'], atOnce: number): Promise<readonly string[]> {
  const asked = cases.map(({ inputs, parameters }) => ({ inputs, ...(parameters && { parameters }) }));
  const input = asked.map((each) => `${JSON.stringify(each)}\n`).join('');
  const { code, stdout, stderr } = await home.run(['predict', model, '--json', '--max-queue', String(atOnce)], {
    input,
  });
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const answers = stdout.trimEnd().split('\n');
  expect(answers).toHaveLength(cases.length);
  return cases.flatMap(({ output }, at) => differenceOf(JSON.parse(answers[at] ?? ''), output, `answer ${at}`) ?? []);
}

/** Differences one by one and together: two commands at once, as tests run on two processors at least. */
async function differencesOf({ model, cases }: Pick<Suite, 'model' | 'cases'>) {
  const [alone, together] = await Promise.all([differences(model, cases, 1), differences(model, cases, 128)]);
  return { alone, together };
}

const NONE = { alone: [], together: [] };

describe('pushed and asked by the command line, one by one and together', () => {
  const suites = [...TASK_SUITES, ...LOGIT_SUITES];

  test.each(suites.map((suite) => [suite.model, suite] as const))('%s', async (model, suite) => {
    await push(fixture(suite.folder), model, suite.task);
    expect(await differencesOf(suite)).toEqual(NONE);
  });

  test.each(readdirSync(fixture('tasks/dense')))('the sentence-transformers modules of %s', async (name) => {
    const folder = join(home.root, `dense-${name}`);
    cpSync(fixture('tasks/embeddings'), folder, { recursive: true });
    cpSync(fixture(`tasks/dense/${name}`), folder, { recursive: true, force: true });
    await push(folder, `dense-${name}`);
    const { sentences } = golden<{ readonly sentences: readonly { text: string; embedding: number[] }[] }>(
      `tasks/dense/${name}/golden.json`,
    );
    const cases = sentences.map(({ text, embedding }) => ({ inputs: text, output: embedding }));
    expect(await differencesOf({ model: `dense-${name}`, cases })).toEqual(NONE);
  });

  test('text-ranking: a cross-encoder, whose one logit is the first of a golden one', async () => {
    const folder = join(home.root, 'ranking');
    crossEncoder(folder);
    await push(folder, 'ranking', 'text-ranking');
    const rows = goldenRows<{ text: string; text_pair?: string; logits: readonly number[] }>(
      'archs/bert/golden.jsonl',
    ).filter(({ text_pair }) => text_pair !== undefined);
    expect(rows).toHaveLength(3);
    const cases = rows.map(({ text, text_pair, logits: [score] }) => ({
      inputs: { query: text, texts: [text_pair] },
      parameters: { raw_scores: true },
      output: [{ index: 0, score }],
    }));
    expect(await differencesOf({ model: 'ranking', cases })).toEqual(NONE);
  });

  test('no directory of archs, tasks and sentiment is left out', () => {
    const folders = ['archs', 'tasks', 'sentiment'].flatMap((parent) =>
      readdirSync(fixture(parent), { withFileTypes: true })
        .filter((entry) => entry.isDirectory())
        .map(({ name }) => `${parent}/${name}`),
    );
    const asked = new Set(suites.map(({ folder }) => folder));
    // Heads have no tokenizer, and are asked with tensors in checkpoints-heads.test.ts; dense is asked above, the others in
    // tasks-modules, rerank, tasks-sparse and tasks-static; words is what adapters of trained tokens are made over.
    const elsewhere = ['dense', 'modules', 'ranking', 'sparse', 'static', 'words'].map((name) => `tasks/${name}`);
    expect(folders.filter((folder) => !asked.has(folder)).toSorted()).toEqual(['archs/heads', ...elsewhere]);
    expect(suites.every(({ cases }) => cases.length > 0)).toBe(true);
  });
});

/** A copy of archs/bert that knows its first label alone. */
function crossEncoder(folder: string): void {
  cpSync(fixture('archs/bert'), folder, { recursive: true });
  const config = golden<Record<string, unknown>>('archs/bert/config.json');
  const changes = { id2label: { 0: 'relevant' }, label2id: { relevant: 0 } };
  writeFileSync(join(folder, 'config.json'), JSON.stringify({ ...config, ...changes }));
  const bytes = readFileSync(fixture('archs/bert/model.safetensors'));
  const end = 8 + Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString('utf8', 8, end)) as Record<string, Stored>;
  const kept: Record<string, Stored> = {};
  const parts: Buffer[] = [];
  let at = 0;
  for (const [name, { dtype, shape, data_offsets }] of Object.entries(header)) {
    if (name === '__metadata__') continue;
    const [rows = 0, ...width] = shape;
    const [begin, stop] = data_offsets;
    const isHead = name.startsWith('classifier.');
    const size = isHead ? (stop - begin) / rows : stop - begin;
    kept[name] = { dtype, shape: isHead ? [1, ...width] : shape, data_offsets: [at, at + size] };
    parts.push(bytes.subarray(end + begin, end + begin + size));
    at += size;
  }
  writeFileSync(join(folder, 'model.safetensors'), safetensors(JSON.stringify(kept), Buffer.concat(parts)));
}

/** A tensor in the header of a safetensors file. */
interface Stored {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data_offsets: readonly [number, number];
}
