import { describe, expect, test } from 'vitest';
import { openTask, type LabelScore, type TaskRequest } from '../../../src/tasks/index.js';
import { fixtureFiles, goldenRows } from './directory-files.js';

interface Row {
  readonly text: string;
  readonly text_pair?: string;
  readonly input_ids: number[];
  readonly token_type_ids?: number[];
  readonly logits: number[];
  readonly probabilities: number[];
  readonly label: string;
  readonly score: number;
}

const FOLDERS = [
  ...['v1', 'v2', 'v2-onnx', 'v3-head', 'v4-bad'].map((v) => `sentiment/${v}`),
  ...[
    'albert',
    'bert',
    'camembert',
    'deberta-v2',
    'distilbert',
    'electra',
    'modernbert',
    'mpnet',
    'roberta',
    'xlm-roberta',
  ].map((v) => `archs/${v}`),
];

const words = (count: number) => Array.from({ length: count }, () => 'happy').join(' ');
const logitsOf = (row: Pick<Row, 'logits'>) => ({
  logits: { dims: [row.logits.length], data: Float32Array.from(row.logits) },
});

describe.each(FOLDERS)('text-classification of %s', (folder) => {
  const rows = goldenRows<Row>(`${folder}/golden.jsonl`);

  test.each(rows.map((row) => [row.text.slice(0, 30), row] as const))(
    '%j has the golden ids and answer',
    async (_, row) => {
      const task = await openTask(fixtureFiles(folder));
      const inputs = row.text_pair === undefined ? row.text : { text: row.text, text_pair: row.text_pair };
      const prepared = await task.prepare({ inputs });
      expect(prepared.encodings.map((encoding) => encoding.ids)).toEqual([row.input_ids]);
      expect(prepared.encodings[0]?.typeIds).toEqual(row.token_type_ids);
      const answer = await prepared.finish([logitsOf(row)]);
      const best = (Array.isArray(answer) ? answer[0] : answer) as LabelScore;
      expect(best.label).toBe(row.label);
      expect(best.score).toBeCloseTo(row.score, 5);
      const whole = await task.prepare({ inputs, parameters: { top_k: null } });
      const all = (await whole.finish([logitsOf(row)])) as LabelScore[];
      const scores = all.map((each) => each.score);
      expect(scores).toEqual(scores.toSorted((a, b) => b - a));
      expect(all).toHaveLength(row.logits.length);
    },
  );
});

const open = () => openTask(fixtureFiles('sentiment/v2'));

describe('text-classification', () => {
  const logits = logitsOf({ logits: [-1, 2] });

  test('answers in the shapes of the pipeline', async () => {
    const task = await open();
    const one = { label: 'POSITIVE', score: 1 / (1 + Math.exp(-3)) };
    const other = { label: 'NEGATIVE', score: 1 - one.score };
    const ask = async (inputs: unknown, parameters = {}) => {
      const prepared = await task.prepare({ inputs, parameters });
      return prepared.finish(prepared.encodings.map(() => logits));
    };
    expect(await ask('a')).toEqual([one]);
    expect(await ask({ text: 'a' })).toEqual(one);
    expect(await ask(['a', 'b'])).toEqual([one, one]);
    expect(await ask([])).toEqual([]);
    expect(await ask('a', { top_k: 1 })).toEqual([one]);
    expect(await ask(['a'], { top_k: 1 })).toEqual([[one]]);
    const [first, second] = (await ask('a', { top_k: 2 })) as LabelScore[];
    expect(first).toEqual(one);
    expect(second?.label).toBe('NEGATIVE');
    expect(second?.score).toBeCloseTo(other.score, 12);
    expect(await ask('a', { function_to_apply: 'none', top_k: null })).toEqual([
      { label: 'POSITIVE', score: 2 },
      { label: 'NEGATIVE', score: -1 },
    ]);
    expect(await ask('a', { function_to_apply: 'sigmoid' })).toEqual([
      { label: 'POSITIVE', score: 1 / (1 + Math.exp(-2)) },
    ]);
  });

  test.each([
    ['a number', 5, {}, 'inputs'],
    ['nothing', undefined, {}, 'inputs'],
    ['a lone surrogate', 'x \ud83d y', {}, 'inputs'],
    ['a null in a list', ['a', null], {}, 'inputs[1]'],
    ['an unknown field', { text: 'a', pair: 'b' }, {}, 'inputs.pair'],
    ['a pair without text', { text_pair: 'b' }, {}, 'inputs.text'],
    ['a wrong top_k', 'a', { top_k: 0 }, 'parameters.top_k'],
  ])('refuses %s and names the field', async (_, inputs, parameters, field) => {
    const task = await open();
    await expect(task.prepare({ inputs, parameters })).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      details: { field },
    });
  });

  test('cuts a megabyte soundly and fast', async () => {
    const task = await open();
    const unit = 'Happy coding, über-naïve 東京 friends! ';
    const long = unit.repeat(Math.ceil(1_000_000 / unit.length));
    const start = performance.now();
    const [cut] = (await task.prepare({ inputs: long })).encodings;
    expect(performance.now() - start).toBeLessThan(500);
    const [small] = (await task.prepare({ inputs: unit.repeat(100) })).encodings;
    expect(cut?.ids).toEqual(small?.ids);
    expect(cut?.ids).toHaveLength(128);
  });

  test('refuses what is too long where it may not be cut, and takes what just fits, also of pairs', async () => {
    const task = await open();
    const parameters = { truncation: false };
    const encodings = async (request: TaskRequest) => (await task.prepare(request)).encodings;
    expect((await encodings({ inputs: words(126), parameters }))[0]?.ids).toHaveLength(128);
    const pair = { text: words(100), text_pair: words(25) };
    expect((await encodings({ inputs: pair, parameters }))[0]?.ids).toHaveLength(128);
    expect(await encodings({ inputs: pair, parameters })).toEqual(await encodings({ inputs: pair }));
    for (const [inputs, field] of [
      [words(127), 'inputs'],
      [['fine', words(127)], 'inputs[1]'],
      [{ text: words(100), text_pair: words(26) }, 'inputs'],
    ] as const) {
      await expect(task.prepare({ inputs, parameters })).rejects.toMatchObject({
        code: 'INVALID_INPUT',
        details: { field },
      });
      await expect(task.prepare({ inputs })).resolves.toBeDefined();
    }
  });

  test('needs no tokenizer.json: the vocabulary gives the same ids', async () => {
    for (const folder of ['archs/bert', 'archs/roberta']) {
      const task = await openTask(fixtureFiles(folder, (path) => path !== 'tokenizer.json'));
      for (const row of goldenRows<Row>(`${folder}/golden.jsonl`)) {
        const inputs = { text: row.text, ...(row.text_pair !== undefined && { text_pair: row.text_pair }) };
        expect((await task.prepare({ inputs })).encodings[0]?.ids).toEqual(row.input_ids);
      }
    }
  });

  test('says what is missing where there is no task or tokenizer', async () => {
    const bare = fixtureFiles('sentiment/v2-onnx', (path) => path === 'model.onnx');
    await expect(openTask(bare)).rejects.toMatchObject({ code: 'UNSUPPORTED_FORMAT' });
    await expect(openTask(bare, { task: 'text-classification' })).rejects.toMatchObject({ code: 'UNSUPPORTED_FORMAT' });
    await expect(openTask(fixtureFiles('sentiment/v2'), { task: 'poetry' })).rejects.toMatchObject({
      code: 'UNSUPPORTED_FORMAT',
    });
  });
});
