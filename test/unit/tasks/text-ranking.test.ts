import { expect, test } from 'vitest';
import { openTask, type EncodingOutputs } from '../../../src/tasks/index.js';
import type { VersionFiles } from '../../../src/core/index.js';
import { fixtureFiles } from './directory-files.js';

/** The BERT fixture as a cross-encoder: the same files, but one label. */
function crossEncoder(): VersionFiles {
  const files = fixtureFiles('archs/bert');
  const config = JSON.stringify({
    architectures: ['BertForSequenceClassification'],
    model_type: 'bert',
    id2label: { 0: 'LABEL_0' },
    max_position_embeddings: 64,
  });
  return {
    ...files,
    read: (path, range) => (path === 'config.json' ? Promise.resolve(Buffer.from(config)) : files.read(path, range)),
  };
}

const logit = (value: number): EncodingOutputs => ({ logits: { dims: [1], data: Float32Array.of(value) } });

test('texts are ranked by the logistic function of their logit, or by the logit', async () => {
  const task = await openTask(crossEncoder(), { task: 'text-ranking' });
  const inputs = { query: 'which film', texts: ['bad', 'the best movie', 'good'] };
  const outputs = [logit(-2), logit(3), logit(0)];
  const prepared = await task.prepare({ inputs });
  expect(prepared.encodings.map(({ typeIds }) => typeIds?.includes(1))).toEqual([true, true, true]);
  expect(prepared.finish(outputs)).toEqual([
    { index: 1, score: 1 / (1 + Math.exp(-3)) },
    { index: 2, score: 0.5 },
    { index: 0, score: 1 / (1 + Math.exp(2)) },
  ]);
  const parameters = { raw_scores: true, return_text: true, top_k: 1 };
  expect((await task.prepare({ inputs, parameters })).finish(outputs)).toEqual([
    { index: 1, score: 3, text: 'the best movie' },
  ]);
});

test('a model with several labels cannot rank', async () => {
  await expect(openTask(fixtureFiles('archs/bert'), { task: 'text-ranking' })).rejects.toMatchObject({
    code: 'UNSUPPORTED_FORMAT',
  });
});
