import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { golden } from '../unit/tasks/directory-files.js';
import { differenceOf, openTaskModel, type TaskModel } from './tasks-model.js';

interface Golden<C> {
  readonly cases: readonly C[];
}

function describeTask<C>(
  folder: string,
  requestOf: (c: C) => { inputs: unknown; parameters?: Record<string, unknown> },
  nameOf: (c: C) => string,
  task?: string,
): void {
  describe(`the goldens of ${folder}`, () => {
    const { cases } = golden<Golden<C & { output: unknown }>>(`${folder}/golden.json`);
    let model: TaskModel;
    beforeAll(async () => {
      model = await openTaskModel(folder, task);
    });
    afterAll(() => model.close());
    test.each(cases.map((c, i) => [i, nameOf(c), c] as const))('%i %s', async (_, __, c) => {
      expect(differenceOf(await model.ask(requestOf(c)), c.output)).toBeUndefined();
    });
    test('are there', () => expect(cases.length).toBeGreaterThan(5));
  });
}

interface NerCase {
  readonly text: string;
  readonly aggregation_strategy: string;
  readonly stride: number | null;
}
describeTask<NerCase>(
  'tasks/ner',
  ({ text, aggregation_strategy, stride }) => ({
    inputs: text,
    parameters: { aggregation_strategy, ...(stride !== null && { stride }) },
  }),
  (c) => `${c.aggregation_strategy} ${c.text.slice(0, 40)}`,
);

interface QaCase {
  readonly question: string;
  readonly context: string;
  readonly options: Record<string, unknown>;
}
describeTask<QaCase>(
  'tasks/qa',
  ({ question, context, options }) => ({ inputs: { question, context }, parameters: options }),
  (c) => `${c.question} ${JSON.stringify(c.options)}`,
);

interface MaskCase {
  readonly text: string;
  readonly options: Record<string, unknown>;
}
describeTask<MaskCase>(
  'tasks/fill-mask',
  ({ text, options }) => ({ inputs: text, parameters: options }),
  (c) => c.text.slice(0, 40),
);

interface ZeroShotCase {
  readonly text: string;
  readonly candidate_labels: readonly string[];
  readonly multi_label: boolean;
  readonly hypothesis_template: string;
}
describeTask<ZeroShotCase>(
  'tasks/zero-shot',
  ({ text, candidate_labels, multi_label, hypothesis_template }) => ({
    inputs: text,
    parameters: { candidate_labels, multi_label, hypothesis_template },
  }),
  (c) => c.text.slice(0, 40),
  'zero-shot-classification',
);

describe('the goldens of tasks/embeddings', () => {
  interface Embeddings {
    readonly sentences: readonly { text: string; input_ids: number[]; mean_pooled: number[]; embedding: number[] }[];
    readonly token_features: readonly { text: string; output: unknown }[];
  }
  const { sentences, token_features: features } = golden<Embeddings>('tasks/embeddings/golden.json');

  test('sentence vectors are those of sentence-transformers', async () => {
    const model = await openTaskModel('tasks/embeddings');
    const inputs = sentences.map(({ text }) => text);
    expect((await model.encodings({ inputs })).map(({ ids }) => ids)).toEqual(sentences.map((each) => each.input_ids));
    expect(
      differenceOf(
        await model.ask({ inputs }),
        sentences.map((each) => each.embedding),
      ),
    ).toBeUndefined();
    const raw = await model.ask({ inputs, parameters: { normalize: false } });
    expect(
      differenceOf(
        raw,
        sentences.map((each) => each.mean_pooled),
      ),
    ).toBeUndefined();
    await model.close();
  });

  test('similarities are cosines of these vectors', async () => {
    const model = await openTaskModel('tasks/embeddings', 'sentence-similarity');
    const [source, ...others] = sentences;
    const answer = await model.ask({
      inputs: { source_sentence: source?.text, sentences: others.map(({ text }) => text) },
    });
    const dots = others.map(({ embedding }) =>
      embedding.reduce((sum, x, i) => sum + x * (source?.embedding[i] ?? 0), 0),
    );
    expect(differenceOf(answer, dots)).toBeUndefined();
    await model.close();
  });

  test('token vectors are those of the feature-extraction pipeline', async () => {
    const model = await openTaskModel('tasks/embeddings', 'feature-extraction');
    for (const { text, output } of features)
      expect(differenceOf(await model.ask({ inputs: text }), output)).toBeUndefined();
    await model.close();
  });
});
