import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { goldenRows } from '../unit/tasks/directory-files.js';
import { differenceOf, openTaskModel, type TaskModel } from './tasks-model.js';

/** What a pipeline of transformers 5 answered. */
interface Row {
  readonly model: string;
  /** The end at which the tokenizer cuts a long text. */
  readonly side: 'left' | 'right';
  readonly inputs: unknown;
  readonly options: Readonly<Record<string, unknown>>;
  readonly output: unknown;
}

const rows = goldenRows<Row>('tasks/ner/words.jsonl');
const models = new Map<string, TaskModel>();
let root: string;

/** A copy of a model, with the tokenizer that cuts at one side. */
function copyOf(model: string, side: string): string {
  const folder = join(root, `${model.replaceAll('/', '-')}-${side}`);
  const from = model === 'tasks/ner' ? model : 'archs/roberta';
  for (const each of [from, model]) cpSync(join('test/fixtures', each), folder, { recursive: true });
  const path = join(folder, 'tokenizer_config.json');
  const config = JSON.parse(readFileSync(path, 'utf8')) as object;
  writeFileSync(path, JSON.stringify({ ...config, truncation_side: side }));
  return folder;
}

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'modelkeep-words-'));
  for (const { model, side } of rows) {
    const name = `${model} ${side}`;
    if (!models.has(name)) models.set(name, await openTaskModel(copyOf(model, side), 'token-classification'));
  }
});
afterAll(async () => {
  for (const model of models.values()) await model.close();
  rmSync(root, { recursive: true, force: true });
});

describe('token-classification', () => {
  const named = rows.map((row, at) => [at, row.model, row.side, JSON.stringify(row.options), row] as const);
  test.each(named)('%i answers as the pipeline: %s %s %s', async (_at, name, side, _options, row) => {
    const model = models.get(`${name} ${side}`)!;
    expect(differenceOf(await model.ask({ inputs: row.inputs, parameters: row.options }), row.output)).toBeUndefined();
  });

  test.each([
    ['a text where words are meant', 'Ada', { is_split_into_words: true }, 'is_split_into_words'],
    ['words of which one is none', [['Ada', 5]], { is_split_into_words: true }, 'inputs[0][1]'],
    ['no word', [], { is_split_into_words: true }, 'no word'],
    ['words where texts are meant', [['Ada']], {}, 'inputs[0]'],
  ])('%s is refused', async (_what, inputs, parameters, why) => {
    const model = models.get('tasks/ner right')!;
    await expect(model.ask({ inputs, parameters })).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      message: expect.stringContaining(why),
    });
  });
});
