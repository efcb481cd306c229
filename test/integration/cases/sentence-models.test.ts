import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CaseBench, changeJson, write } from './case-bench.js';
import { changeTensors } from './change-tensors.js';
import { flatNumbers, gapOf } from './gap.js';

/** Each case is one that people reported; the expected answers are those of sentence-transformers 6.2. */
const TEXTS = ['A cat sleeps on the mat.', 'The weather is bad today and it rains.', 'good'];
/** The first numbers of each vector, and the sum of all without their signs. */
type Vectors = readonly { readonly first: readonly number[]; readonly sum: number }[];

const MEAN: Vectors = [
  { first: [-0.065822, -0.01057, -0.100327, -0.155428, -0.097116, 0.025256], sum: 6.670071 },
  { first: [-0.212666, -0.18943, 0.024665, 0.08252, -0.066237, 0.072249], sum: 6.285258 },
  { first: [0.035371, -0.1659, -0.165581, 0.086642, 0.000067, 0.079149], sum: 6.469228 },
];
const CLS: Vectors = [
  { first: [0.716457, -1.388461, -1.706793, 1.269348, 0.841445, -0.082484], sum: 54.48856 },
  { first: [0.801626, -1.385891, -1.693899, 1.243124, 0.853226, 0.00531], sum: 54.627746 },
  { first: [0.743141, -1.368799, -1.699649, 1.344572, 0.91527, -0.127256], sum: 54.0804 },
];
const MAX: Vectors = [
  { first: [1.232996, 1.578368, 1.690448, 1.269348, 0.841445, 1.570799], sum: 108.639439 },
  { first: [1.454171, 0.990963, 1.877913, 2.344445, 1.128676, 1.299503], sum: 113.987791 },
  { first: [0.743141, 1.14573, 0.742673, 1.344572, 0.91527, 1.250512], sum: 66.645911 },
];

let cases: CaseBench;
beforeAll(async () => {
  cases = await CaseBench.open();
});
afterAll(() => cases.close());

function seen(answer: unknown): Vectors {
  return (answer as number[][]).map((vector) => ({
    first: vector.slice(0, 6),
    sum: flatNumbers(vector).reduce((sum, each) => sum + Math.abs(each), 0),
  }));
}

const VERSIONS = { pytorch: '2.15.0', sentence_transformers: '6.2.0', transformers: '5.24.0' };

/** Writes what sentence-transformers 6 saves around a Transformer: its modules and its own settings. */
function saveAsRelease6(folder: string, model: object, task: object, ...behind: string[]): void {
  const modules = ['sentence_transformers.base.modules.transformer.Transformer', ...behind].map((type, idx) => ({
    idx,
    name: `${idx}`,
    path: idx === 0 ? '' : `${idx}_${type.split('.').at(-1)}`,
    type,
  }));
  write(join(folder, 'modules.json'), JSON.stringify(modules));
  write(join(folder, 'config_sentence_transformers.json'), JSON.stringify({ __version__: VERSIONS, ...model }));
  write(join(folder, 'sentence_bert_config.json'), JSON.stringify(task));
}

const POOLING = 'sentence_transformers.sentence_transformer.modules.pooling.Pooling';

function pooledBy(mode: string | readonly string[]): string {
  const folder = cases.copyOf('tasks/embeddings');
  const text = { method: 'forward', method_output_name: 'last_hidden_state' };
  saveAsRelease6(
    folder,
    {
      model_type: 'SentenceTransformer',
      default_prompt_name: null,
      prompts: { document: '', query: '' },
      similarity_fn_name: 'cosine',
    },
    { transformer_task: 'feature-extraction', modality_config: { text }, module_output_name: 'token_embeddings' },
    POOLING,
  );
  write(
    join(folder, '1_Pooling/config.json'),
    JSON.stringify({ embedding_dimension: 64, pooling_mode: mode, include_prompt: true }),
  );
  return folder;
}

function withClass(architecture: string): string {
  const folder = cases.copyOf('tasks/embeddings');
  changeJson(join(folder, 'config.json'), (config) => ({ ...(config as object), architectures: [architecture] }));
  return folder;
}

describe('vectors as sentence-transformers gives them:', () => {
  it.each<[string, () => string, Vectors]>([
    ['k1-st-pooling-cls', () => pooledBy('cls'), CLS],
    ['k1-st-pooling-max', () => pooledBy('max'), MAX],
    ['the same as a list', () => pooledBy(['max']), MAX],
    ['k3-custom-class-cl', () => withClass('BertForCL'), MEAN],
    ['k3-st-maskedlm-bare', () => withClass('BertForMaskedLM'), MEAN],
    ['the class of a classifier over an encoder alone', () => withClass('BertForSequenceClassification'), MEAN],
  ])('%s', async (_name, make, expected) => {
    const { record } = await cases.publish(make());
    expect(record.task).toBe('sentence-embeddings');
    const answer = await (await cases.keep.load(record.model)).predict(TEXTS);
    expect(
      gapOf(
        seen(answer).map(({ first }) => first),
        expected.map(({ first }) => first),
      ),
    ).toBeLessThan(1e-4);
    expect(
      gapOf(
        seen(answer).map(({ sum }) => sum),
        expected.map(({ sum }) => sum),
      ),
    ).toBeLessThan(1e-3);
  });
});

/** A cross-encoder of the second label of `archs/bert`. */
function crossEncoder(): string {
  const folder = cases.copyOf('archs/bert');
  changeTensors(join(folder, 'model.safetensors'), (tensors) => {
    for (const name of ['classifier.weight', 'classifier.bias']) {
      const { dtype, shape, data } = tensors.get(name) ?? { dtype: '', shape: [3], data: Buffer.alloc(0) };
      const row = data.length / 3;
      tensors.set(name, { dtype, shape: [1, ...shape.slice(1)], data: data.subarray(row, 2 * row) });
    }
  });
  changeJson(join(folder, 'config.json'), (config) => ({
    ...(config as object),
    id2label: { 0: 'LABEL_0' },
    label2id: { LABEL_0: 0 },
  }));
  const text = { method: 'forward', method_output_name: 'logits' };
  saveAsRelease6(
    folder,
    {
      activation_fn: 'torch.nn.modules.activation.Sigmoid',
      default_prompt_name: null,
      model_type: 'CrossEncoder',
      prompts: {},
    },
    { transformer_task: 'sequence-classification', modality_config: { text }, module_output_name: 'scores' },
  );
  return folder;
}

it('k1-st6-crossencoder: ranks with its own activation, and gives logits where they are asked for', async () => {
  const inputs = {
    query: 'how do magnets work',
    texts: ['A recipe for bread.', 'Magnets attract iron.', 'good film'],
  };
  const { record } = await cases.publish(crossEncoder());
  expect(record.task).toBe('text-ranking');
  const model = await cases.keep.load(record.model);
  expect(
    gapOf(await model.predict(inputs), [
      { index: 1, score: 0.74727 },
      { index: 0, score: 0.722251 },
      { index: 2, score: 0.669163 },
    ]),
  ).toBeLessThan(1e-4);
  expect(
    gapOf(await model.predict(inputs, { parameters: { raw_scores: true } }), [
      { index: 1, score: 1.084105 },
      { index: 0, score: 0.955654 },
      { index: 2, score: 0.704402 },
    ]),
  ).toBeLessThan(1e-4);
});

describe('refused, since another vector than its owner expects would be given:', () => {
  it.each<[string, () => string, readonly string[]]>([
    [
      'k6-st-pooling-missing',
      () => {
        const folder = cases.copyOf('tasks/embeddings');
        rmSync(join(folder, '1_Pooling'), { recursive: true });
        return folder;
      },
      ['modules.json', '1_Pooling'],
    ],
    ['a pooling that nobody knows', () => pooledBy('median'), ['1_Pooling/config.json', 'pooling_mode', 'median']],
  ])('%s', async (_name, make, words) => {
    const { code, message } = await cases.refusal(make());
    expect(['INVALID_ARTIFACT', 'UNSUPPORTED_FORMAT']).toContain(code);
    for (const word of words) expect(message).toContain(word);
  });
});
