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

interface QuestionAnswer {
  readonly answer: string;
  readonly start: number;
  readonly score: number;
}

const rows = goldenRows<Row>('tasks/ner/words.jsonl');
const models = new Map<string, TaskModel>();
let root: string;

/** A copy of a model, with the tokenizer that cuts at one side. */
function copyOf(model: string, side: string): string {
  const folder = join(root, `${model.replaceAll('/', '-')}-${side}`);
  const from = model === 'tasks/words' ? 'archs/roberta' : model;
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

test('a long context is read in windows from the end where the tokenizer cuts at the beginning', async () => {
  const sentences = ['Ada wrote the first program in London.', 'It was Grace who met her in Berlin.'];
  const context = Array.from({ length: 8 }, () => [...sentences, 'The cat sleeps on the mat.'].join(' ')).join(' ');
  const parameters = { max_seq_len: 48, doc_stride: 10, top_k: 3 };
  // What transformers 4.46 answers, the last release with this pipeline.
  const wanted = {
    left: [
      ['London', 31, 0.14517],
      ['Ada wrote the first program in London', 0, 0.124],
      ['Ada', 0, 0.09615],
    ],
    right: [
      ['mat', 811, 0.20861],
      ['Berlin. The cat sleeps on the mat', 781, 0.11693],
      ['Berlin', 781, 0.06289],
    ],
  };
  for (const [side, expected] of Object.entries(wanted)) {
    const model = await openTaskModel(copyOf('tasks/qa', side), 'question-answering');
    const answers = await model.ask({ inputs: { question: 'Who wrote it?', context }, parameters });
    const found = (answers as readonly QuestionAnswer[]).map(({ answer, start, score }) => [answer, start, score]);
    expect(differenceOf(found, expected)).toBeUndefined();
    await model.close();
  }
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
