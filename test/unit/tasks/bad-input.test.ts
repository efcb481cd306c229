import { describe, expect, test } from 'vitest';
import { openTask, type EncodingOutputs } from '../../../src/tasks/index.js';
import { fixtureFiles } from './directory-files.js';

type Case = readonly [task: string, folder: string, what: string, inputs: unknown, parameters: object, field: string];

const REFUSED: readonly Case[] = [
  ['token-classification', 'tasks/ner', 'a number', 5, {}, 'inputs'],
  ['token-classification', 'tasks/ner', 'stride without aggregation', 'a', { stride: 4 }, 'parameters.stride'],
  [
    'token-classification',
    'tasks/ner',
    'a wrong strategy',
    'a',
    { aggregation_strategy: 'x' },
    'parameters.aggregation_strategy',
  ],
  ['question-answering', 'tasks/qa', 'no context', { question: 'Who?' }, {}, 'inputs.context'],
  ['question-answering', 'tasks/qa', 'an empty context', { question: 'Who?', context: '' }, {}, 'inputs.context'],
  ['question-answering', 'tasks/qa', 'an empty question', { question: '', context: 'a' }, {}, 'inputs.question'],
  ['question-answering', 'tasks/qa', 'a text', 'Who?', {}, 'inputs'],
  ['fill-mask', 'tasks/fill-mask', 'no mask', 'no gap here', {}, 'inputs'],
  ['fill-mask', 'tasks/fill-mask', 'no mask in a list', ['[MASK]', 'none'], {}, 'inputs[1]'],
  ['fill-mask', 'tasks/fill-mask', 'a text that is too long', `[MASK]${' word'.repeat(5_000)}`, {}, 'inputs'],
  [
    'zero-shot-classification',
    'tasks/zero-shot',
    'no labels',
    'a',
    { candidate_labels: [] },
    'parameters.candidate_labels',
  ],
  [
    'zero-shot-classification',
    'tasks/zero-shot',
    'only commas',
    'a',
    { candidate_labels: ' ,, ' },
    'parameters.candidate_labels',
  ],
  [
    'zero-shot-classification',
    'tasks/zero-shot',
    'a template without a place',
    'a',
    { candidate_labels: 'x', hypothesis_template: 'no' },
    'parameters.hypothesis_template',
  ],
  ['sentence-embeddings', 'tasks/embeddings', 'half a surrogate pair', ['a', '\udc00'], {}, 'inputs[1]'],
  ['sentence-embeddings', 'tasks/embeddings', 'an unknown prompt', 'a', { prompt_name: 'q' }, 'parameters.prompt_name'],
  ['sentence-similarity', 'tasks/embeddings', 'no sentences', { source_sentence: 'a' }, {}, 'inputs.sentences'],
];

describe('bad input', () => {
  test.each(REFUSED)('%s (%s) refuses %s', async (task, folder, _, inputs, parameters, field) => {
    const open = await openTask(fixtureFiles(folder), { task });
    const request = { inputs, parameters: { ...parameters } };
    await expect(open.prepare(request)).rejects.toMatchObject({ code: 'INVALID_INPUT', details: { field } });
  });

  const UNUSUAL = ['', '   ', '😀👩‍👩‍👧‍👦', 'e\u0301\u0301\u0301', 'שלום مرحبا', '東京は夜', 'a\u0000b', 'x'.repeat(500)];
  test.each(UNUSUAL)('token-classification takes %j', async (text) => {
    const open = await openTask(fixtureFiles('tasks/ner'));
    const prepared = await open.prepare({ inputs: text, parameters: { aggregation_strategy: 'max' } });
    const outputs = prepared.encodings.map(({ ids }): EncodingOutputs => ({
      logits: { dims: [ids.length, 7], data: new Float32Array(ids.length * 7).map((_, i) => (i % 7 === 1 ? 1 : 0)) },
    }));
    for (const entity of (await prepared.finish(outputs)) as { start: number; end: number; entity_group: string }[]) {
      expect(entity.entity_group).toBe('PER');
      expect(entity.end).toBeLessThanOrEqual(Array.from(text).length);
    }
    expect(prepared.encodings).toHaveLength(1);
  });
});
