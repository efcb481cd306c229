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

/** {@link crossEncoder} with other files, as JSON. */
function withFiles(changes: Readonly<Record<string, unknown>>): VersionFiles {
  const files = crossEncoder();
  const contents = new Map(Object.entries(changes).map(([path, value]) => [path, Buffer.from(JSON.stringify(value))]));
  return {
    ...files,
    paths: [...files.paths, ...[...contents.keys()].filter((path) => !files.paths.includes(path))],
    size: (path) => contents.get(path)?.length ?? files.size(path),
    read: (path, range) => {
      const content = contents.get(path);
      return content === undefined ? files.read(path, range) : Promise.resolve(content);
    },
  };
}

const BASE = {
  architectures: ['BertForSequenceClassification'],
  model_type: 'bert',
  id2label: { 0: 'LABEL_0' },
  max_position_embeddings: 64,
};
const SAVED = {
  'modules.json': [{ idx: 0, name: '0', path: '', type: 'sentence_transformers.base.modules.transformer.Transformer' }],
  'sentence_bert_config.json': {
    transformer_task: 'sequence-classification',
    modality_config: { text: { method: 'forward', method_output_name: 'logits' } },
    module_output_name: 'scores',
  },
};
const own = (config: Readonly<Record<string, unknown>> = {}) => ({
  ...SAVED,
  'config_sentence_transformers.json': { model_type: 'CrossEncoder', ...config },
});
const IDENTITY = 'torch.nn.modules.linear.Identity';

test.each([
  ['that of its own file', own({ activation_fn: IDENTITY }), -2],
  [
    'that of its own file before that of config.json',
    {
      ...own({ activation_fn: 'torch.nn.modules.activation.Tanh' }),
      'config.json': { ...BASE, sentence_transformers: { activation_fn: IDENTITY } },
    },
    Math.tanh(-2),
  ],
  ['that of config.json', { 'config.json': { ...BASE, sentence_transformers: { activation_fn: IDENTITY } } }, -2],
  ['that of an older config.json', { 'config.json': { ...BASE, sbert_ce_default_activation_function: IDENTITY } }, -2],
  ['the logistic function', own(), 1 / (1 + Math.exp(2))],
])('the activation is %s', async (_what, changes, score) => {
  const task = await openTask(withFiles(changes), { task: 'text-ranking' });
  const prepared = await task.prepare({ inputs: { query: 'which', texts: ['bad'] } });
  expect(prepared.finish([logit(-2)])).toEqual([{ index: 0, score }]);
});

test('what sentence-transformers saved as a cross-encoder ranks', async () => {
  expect((await openTask(withFiles(own()))).name).toBe('text-ranking');
  const labels = { ...BASE, id2label: { 0: 'a', 1: 'b', 2: 'c' } };
  expect((await openTask(withFiles({ ...own(), 'config.json': labels }))).name).toBe('text-classification');
});

test('a prompt goes before the query alone', async () => {
  const task = await openTask(withFiles(own({ prompts: { q: 'the best ' }, default_prompt_name: 'q' })));
  const ids = async (inputs: object, parameters = {}) => (await task.prepare({ inputs, parameters })).encodings[0]?.ids;
  const written = await ids({ query: 'the best movie', texts: ['bad'] }, { prompt: '' });
  expect(await ids({ query: 'movie', texts: ['bad'] })).toEqual(written);
  expect(await ids({ query: 'movie', texts: ['bad'] }, { prompt: '' })).not.toEqual(written);
});

test.each([
  ['an activation of another package', own({ activation_fn: 'my.Activation' }), 'my.Activation'],
  ['an activation of several numbers', own({ activation_fn: 'torch.nn.modules.activation.Softmax' }), 'Softmax'],
  [
    'further modules',
    {
      ...own(),
      'modules.json': [
        ...SAVED['modules.json'],
        { path: '1_LogitScore', type: 'sentence_transformers.cross_encoder.modules.LogitScore' },
      ],
    },
    'LogitScore',
  ],
  [
    'a generator',
    { ...own(), 'sentence_bert_config.json': { transformer_task: 'text-generation' } },
    'text-generation',
  ],
])('a cross-encoder with %s is refused', async (_what, changes, named) => {
  await expect(openTask(withFiles(changes))).rejects.toMatchObject({
    code: 'UNSUPPORTED_FORMAT',
    message: expect.stringContaining(named),
  });
});
