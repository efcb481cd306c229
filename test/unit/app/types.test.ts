import { expectTypeOf, test } from 'vitest';
import type { Answer, LabelScore, Model, Modelkeep, TaskName, TaskTypes } from '../../../src/app/index.js';

// What is checked here is checked by the compiler (`tsc -b` compiles the tests); nothing needs to run.

const loads = {
  typed: (keep: Modelkeep) => keep.load<'fill-mask'>('words'),
  named: (keep: Modelkeep) => keep.load('words', { task: 'fill-mask' }),
  plain: (keep: Modelkeep) => keep.load('words'),
  // @ts-expect-error -- there is no such task
  wrong: (keep: Modelkeep) => keep.load('words', { task: 'fill-masks' }),
};

const asks = {
  right: (model: Model<'text-classification'>) => model.predict('fine', { parameters: { top_k: 2 } }),
  // @ts-expect-error -- an option of another task
  wrong: (model: Model<'text-classification'>) => model.predict('fine', { parameters: { doc_stride: 2 } }),
  many: (model: Model<'sentence-embeddings'>) => model.predictMany([{ inputs: 'fine', id: 7 }]),
};

test('a task types what goes in and comes out', () => {
  type Reader = Model<'question-answering'>;
  expectTypeOf<Parameters<Reader['predict']>[0]>().toEqualTypeOf<TaskTypes['question-answering']['input']>();
  expectTypeOf<Awaited<ReturnType<Reader['predict']>>>().toEqualTypeOf<TaskTypes['question-answering']['output']>();
  expectTypeOf<{ question: string; context: string }>().toExtend<Parameters<Reader['predict']>[0]>();
  expectTypeOf<string>().not.toExtend<Parameters<Reader['predict']>[0]>();
  expectTypeOf<Answer>().toExtend<Awaited<ReturnType<Reader['predict']>>>();
  expectTypeOf<LabelScore>().not.toExtend<Awaited<ReturnType<Reader['predict']>>>();
});

test('load gives the model of the task that its type argument or option names', () => {
  expectTypeOf(loads.typed).returns.resolves.toEqualTypeOf<Model<'fill-mask'>>();
  expectTypeOf(loads.named).returns.resolves.toEqualTypeOf<Model<'fill-mask'>>();
});

test('without a task, inputs and answers are unknown', () => {
  expectTypeOf(loads.plain).returns.resolves.toEqualTypeOf<Model>();
  expectTypeOf<Parameters<Model['predict']>[0]>().toBeUnknown();
  expectTypeOf<Awaited<ReturnType<Model['predict']>>>().toBeUnknown();
});

test('options are those of the task', () => {
  expectTypeOf(asks.right).returns.resolves.toEqualTypeOf<TaskTypes['text-classification']['output']>();
});

test('many answers come with their requests', () => {
  type Given = ReturnType<(typeof asks)['many']> extends AsyncGenerator<infer Each> ? Each : never;
  expectTypeOf<Given['request']['id']>().toEqualTypeOf<number>();
  expectTypeOf<Given['output']>().toEqualTypeOf<TaskTypes['sentence-embeddings']['output']>();
});

test('every task has its types', () => {
  expectTypeOf<keyof TaskTypes>().toEqualTypeOf<TaskName>();
});
