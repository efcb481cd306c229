import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { PushOptions } from '../../../src/app/index.js';
import { CaseBench, changeJson } from './case-bench.js';
import { changeTensors, type Tensor } from './change-tensors.js';
import { flatNumbers, gapOf } from './gap.js';

/** Each case is one that people reported; the expected answers are those of transformers 4.46 and 5.24. */
let cases: CaseBench;
beforeAll(async () => {
  cases = await CaseBench.open();
});
afterAll(() => cases.close());

const ALL = { top_k: null };
const SENTIMENT = [
  { label: 'POSITIVE', score: 0.966343 },
  { label: 'NEGATIVE', score: 0.033657 },
];
const HELLO = [
  { label: 'negative', score: 0.641669 },
  { label: 'neutral', score: 0.30368 },
  { label: 'positive', score: 0.054651 },
];
const MASKED = [
  { score: 0.45299, token: 18, token_str: '.', sequence: 'this is a. film' },
  { score: 0.018946, token: 5, token_str: '!', sequence: 'this is a! film' },
  { score: 0.01277, token: 16, token_str: ',', sequence: 'this is a, film' },
  { score: 0.011666, token: 11, token_str: "'", sequence: "this is a ' film" },
  { score: 0.010234, token: 117, token_str: 'the', sequence: 'this is a the film' },
];

interface Case {
  readonly fixture: string;
  /** Changes config.json; a key that is undefined is taken out. */
  readonly config?: Readonly<Record<string, unknown>>;
  readonly tensors?: (tensors: Map<string, Tensor>) => void;
  readonly options?: Partial<PushOptions>;
}

function made({ fixture, config, tensors }: Case): string {
  const folder = cases.copyOf(fixture);
  if (config !== undefined) changeJson(join(folder, 'config.json'), (fields) => ({ ...(fields as object), ...config }));
  if (tensors !== undefined) changeTensors(join(folder, 'model.safetensors'), tensors);
  return folder;
}

function float32(shape: readonly number[], value = 1): Tensor {
  const numbers = new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(value);
  return { dtype: 'F32', shape, data: new Uint8Array(numbers.buffer) };
}

/** Gives every tensor another name; undefined takes it out. */
function renamed(rename: (name: string) => string | undefined): NonNullable<Case['tensors']> {
  return (tensors) => {
    const entries = [...tensors];
    tensors.clear();
    for (const [name, tensor] of entries) {
      const other = rename(name);
      if (other !== undefined) tensors.set(other, tensor);
    }
  };
}

const CLASSIFY = { task: 'text-classification' };
const VECTORS = { task: 'feature-extraction' };
const NO_LABELS = { id2label: undefined, label2id: undefined };

/** Positions as transformers 5 describes them. */
function rope(theta: number): object {
  return { rope_theta: theta, rope_type: 'default' };
}

describe('the tensors and the task choose the graph:', () => {
  it.each<[string, Case, string, unknown, number]>([
    [
      'k3-custom-class-multilabel',
      {
        fixture: 'sentiment/v2',
        config: { architectures: ['BertForMultiLabelSequenceClassification'] },
        options: CLASSIFY,
      },
      'Happy coding !!!',
      SENTIMENT,
      2,
    ],
    [
      'k3-no-architectures',
      { fixture: 'sentiment/v2', config: { architectures: undefined }, options: CLASSIFY },
      'Happy coding !!!',
      SENTIMENT,
      0,
    ],
    [
      'k3-for-pretraining',
      { fixture: 'tasks/fill-mask', config: { architectures: ['BertForPreTraining'] } },
      'this is a [MASK] film',
      MASKED,
      0,
    ],
    [
      'k6-loss-weight',
      { fixture: 'archs/bert', tensors: (tensors) => tensors.set('loss_fct.weight', float32([3])) },
      'hello world',
      HELLO,
      1,
    ],
    [
      'k6-id2label-int',
      { fixture: 'sentiment/v2', config: { id2label: { 0: 0, 1: 1 }, label2id: { 0: 0, 1: 1 } } },
      'Happy coding !!!',
      SENTIMENT.map(({ score }, at) => ({ label: 1 - at, score })),
      0,
    ],
    [
      'a compiled model within another',
      { fixture: 'archs/bert', tensors: renamed((name) => `_orig_mod.module.${name}`) },
      'hello world',
      HELLO,
      0,
    ],
    [
      'an encoder whose names lack the family beside its head',
      { fixture: 'archs/bert', tensors: renamed((name) => name.replace(/^bert\./, '')) },
      'hello world',
      HELLO,
      0,
    ],
    [
      'norms by the names of TensorFlow',
      {
        fixture: 'archs/bert',
        tensors: renamed((name) =>
          name.replace('LayerNorm.weight', 'LayerNorm.gamma').replace(/Norm\.bias$/, 'Norm.beta'),
        ),
      },
      'hello world',
      HELLO,
      0,
    ],
  ])('%s', async (_name, one, text, expected, warnings) => {
    const published = await cases.publish(made(one), one.options);
    const model = await cases.keep.load(published.record.model);
    const answer = await model.predict(text, { parameters: published.record.task === 'fill-mask' ? {} : ALL });
    expect(gapOf(answer, expected)).toBeLessThan(1e-4);
    expect(published.warnings).toHaveLength(warnings);
  });

  it('k3-task-features-of-mlm: vectors of tokens, not logits of words', async () => {
    const one: Case = { fixture: 'tasks/fill-mask', options: VECTORS };
    const [rows] = (await cases.answer(made(one), 'a good film', one.options)) as number[][][];
    expect(rows?.map((row) => row.length)).toEqual([64, 64, 64, 64, 64]);
    expect(
      gapOf(
        rows?.map((row) => row.slice(0, 4)),
        [
          [1.109119, -1.64565, -0.129497, 0.720446],
          [0.058599, 0.024299, -0.250501, 0.719927],
          [-1.248805, -0.042636, 1.056728, 0.311025],
          [-0.286303, -1.217336, 0.118299, 0.331923],
          [0.8528, -1.925438, -0.007537, 1.244586],
        ],
      ),
    ).toBeLessThan(1e-4);
    const sums = rows?.map((row) => flatNumbers(row).reduce((sum, each) => sum + Math.abs(each), 0));
    expect(gapOf(sums, [49.418278, 45.529237, 48.662748, 48.545536, 48.294761])).toBeLessThan(1e-3);
  });

  it('k1-t5-modernbert: rope_parameters, layer_types and dtype as transformers 5 writes them', async () => {
    const folder = made({
      fixture: 'archs/modernbert',
      config: {
        ...Object.fromEntries(
          ['global_attn_every_n_layers', 'global_rope_theta', 'local_rope_theta', 'torch_dtype'].map((key) => [
            key,
            undefined,
          ]),
        ),
        dtype: 'float32',
        layer_types: ['sliding_attention', 'full_attention', 'full_attention', 'sliding_attention'],
        rope_parameters: { full_attention: rope(50_000), sliding_attention: rope(300) },
        tie_word_embeddings: true,
        transformers_version: '5.24.0',
      },
    });
    const texts = ['happy coding !', 'A cat sleeps on the mat and the dog watches the film.'];
    expect(
      gapOf(await cases.answer(folder, texts, {}, ALL), [
        [
          { label: 'positive', score: 0.407161 },
          { label: 'neutral', score: 0.337019 },
          { label: 'negative', score: 0.25582 },
        ],
        [
          { label: 'neutral', score: 0.871784 },
          { label: 'negative', score: 0.082764 },
          { label: 'positive', score: 0.045452 },
        ],
      ]),
    ).toBeLessThan(1e-4);
  });
});

describe('refused, since it would be another answer than its owner expects:', () => {
  it.each<[string, Case, readonly string[]]>([
    [
      'k3-rank-two-labels',
      { fixture: 'sentiment/v2', config: NO_LABELS, options: { task: 'text-ranking' } },
      ['text-ranking', 'one label', '--task text-classification'],
    ],
    [
      'ranking by three labels',
      { fixture: 'archs/bert', options: { task: 'text-ranking' } },
      ['text-ranking', 'one label', '3'],
    ],
    [
      'words to fill of an encoder alone',
      { fixture: 'tasks/embeddings', options: { task: 'fill-mask' } },
      ['ForMaskedLM', 'cls.predictions', '--task'],
    ],
    [
      'the head of a next sentence, whose tensors nobody serves',
      {
        fixture: 'archs/bert',
        config: { architectures: ['BertForNextSentencePrediction'] },
        tensors: renamed((name) => name.replace('classifier.', 'cls.seq_relationship.')),
      },
      ['BertForNextSentencePrediction', 'feature-extraction'],
    ],
    [
      'a head of other labels than config.json names',
      { fixture: 'archs/bert', config: { id2label: { 0: 'a', 1: 'b' }, label2id: { a: 0, b: 1 } } },
      ['classifier.weight', 'id2label'],
    ],
    [
      'a classifier without its bias',
      { fixture: 'archs/bert', tensors: (tensors) => tensors.delete('classifier.bias') },
      ['classifier.bias'],
    ],
  ])('%s', async (_name, one, words) => {
    const { code, message } = await cases.refusal(made(one), one.options);
    expect(['INVALID_ARTIFACT', 'UNSUPPORTED_FORMAT']).toContain(code);
    for (const word of words) expect(message).toContain(word);
  });
});

it('two heads in one file: each is served for its task, and none by itself', { timeout: 120_000 }, async () => {
  const folder = made({
    fixture: 'tasks/fill-mask',
    config: { architectures: undefined, id2label: { 0: 'no', 1: 'yes' }, label2id: { no: 0, yes: 1 } },
    tensors: (tensors) => {
      const width = tensors.get('bert.embeddings.word_embeddings.weight')?.shape[1] ?? 0;
      for (const [name, shape] of [
        ['bert.pooler.dense.weight', [width, width]],
        ['bert.pooler.dense.bias', [width]],
        ['classifier.weight', [2, width]],
        ['classifier.bias', [2]],
      ] as const)
        tensors.set(name, float32(shape, 0.01));
    },
  });
  const { message } = await cases.refusal(folder);
  for (const word of ['ForMaskedLM', 'ForSequenceClassification', '--task']) expect(message).toContain(word);
  expect(gapOf(await cases.answer(folder, 'this is a [MASK] film', { task: 'fill-mask' }), MASKED)).toBeLessThan(1e-4);
  const [{ score } = { score: 0 }] = (await cases.answer(folder, 'a film', CLASSIFY)) as { score: number }[];
  expect(score).toBeCloseTo(0.5, 6);
});
