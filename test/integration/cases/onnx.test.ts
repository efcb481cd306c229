import { copyFileSync, cpSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { PushOptions } from '../../../src/app/index.js';
import type { TensorInfo, TensorType } from '../../../src/core/index.js';
import { CaseBench, changeJson } from './case-bench.js';
import { gapOf } from './gap.js';
import { exportOnnx, without, withoutKeys, type ExportChanges, type NodeText } from './onnx-export.js';

const TEXTS = ['hello world', 'Happy coding !!!', 'A cat sleeps on it.', 'x'];
const ALL = { top_k: null };

let cases: CaseBench;
/** What the checkpoint answers, as transformers does. */
let scores: readonly unknown[];
let vectors: { readonly mean: readonly number[][]; readonly tokens: readonly number[][][] };

beforeAll(async () => {
  cases = await CaseBench.open();
  scores = (await cases.answer(cases.copyOf('archs/bert'), TEXTS, {}, ALL)) as unknown[];
  const plain = without(cases.copyOf('tasks/embeddings'), 'modules.json', '1_Pooling');
  const mean = (await cases.answer(plain, TEXTS, { task: 'sentence-embeddings' })) as number[][];
  // The pipeline gives each text a batch of one.
  const tokens = (await cases.answer(plain, TEXTS, { task: 'feature-extraction' })) as number[][][][];
  vectors = { mean, tokens: tokens.map(([only]) => only ?? []) };
});
afterAll(() => cases.close());

function info(name: string, dims: readonly number[], type: TensorType = 'float32'): TensorInfo {
  return { name, type, dims };
}

function node(op: string, input: string, output: string, to?: NodeText['to']): NodeText {
  return { op, inputs: [input], output, ...(to && { to }) };
}

const LOGITS = [-1, 3];
const NAMES = ['input_ids', 'attention_mask', 'token_type_ids'];

/** An export of the classifier. */
function classifier(changes: ExportChanges = {}): Promise<string> {
  return exportOnnx(cases.copyOf('archs/bert'), changes);
}

/** An export of the encoder, without what says how its vectors are pooled. */
async function encoder(changes: ExportChanges = {}): Promise<string> {
  const folder = without(cases.copyOf('tasks/embeddings'), 'modules.json', '1_Pooling');
  return exportOnnx(folder, { task: 'feature-extraction', ...changes });
}

/** Inputs under other names and of another type, each cast to what the graph takes. */
function cast(names: readonly string[], type: 'int32' | 'float16'): Pick<ExportChanges, 'inputs' | 'before'> {
  return {
    inputs: names.map((name) => info(name, [-1, -1], type)),
    before: NAMES.map((own, at) => node('Cast', names[at] ?? '', own, 'int64')),
  };
}

/** Answers of a version that was published from a folder: in a list, one after the other, and all at once. */
async function answersOf(
  folder: string,
  options: Partial<PushOptions> = {},
  parameters: Readonly<Record<string, unknown>> = ALL,
) {
  const { record, warnings } = await cases.publish(folder, options);
  const model = await cases.keep.load(`${record.model}:${record.version}`);
  const list = (await model.predict(TEXTS, { parameters })) as unknown[];
  const alone: unknown[] = [];
  for (const text of TEXTS) alone.push(await model.predict(text, { parameters }));
  const together = await Promise.all(
    Array.from({ length: 64 }, (_, at) => model.predict(TEXTS[at % TEXTS.length] ?? '', { parameters })),
  );
  together.forEach((answer, at) => expect(answer).toEqual(alone[at % TEXTS.length]));
  return { list, alone, warnings, record };
}

/** Which of its labels a text may have is no choice between them. */
function multiLabel(folder: string): string {
  changeJson(join(folder, 'config.json'), (json) => ({
    ...(json as object),
    problem_type: 'multi_label_classification',
  }));
  return folder;
}

describe('an exported classifier answers as its checkpoint, alone and among 64 requests:', () => {
  it.each<[string, () => Promise<string>, Partial<PushOptions>?]>([
    ['k5-onnx-batch1: one row a run', () => classifier({ inputs: NAMES.map((name) => info(name, [1, -1], 'int64')) })],
    ['four rows a run', () => classifier({ inputs: NAMES.map((name) => info(name, [4, -1], 'int64')) })],
    [
      'k5-onnx-static16: 16 tokens a row',
      () => classifier({ inputs: NAMES.map((name) => info(name, [-1, 16], 'int64')) }),
    ],
    ['k5-onnx-int32', () => classifier(cast(['input_ids:0', 'attention_mask:0', 'token_type_ids:0'], 'int32'))],
    [
      'k5-onnx-tf-names, its inputs in another order',
      () => classifier({ ...cast(['input_ids_1:0', 'input_mask_1:0', 'segment_ids_1:0'], 'int32') }),
    ],
    [
      'numbers of 64 bits',
      () =>
        classifier({
          outputs: [info('wide', LOGITS, 'float64')],
          behind: [node('Cast', 'logits', 'wide', 'float64')],
        }),
    ],
    [
      'k5-onnx-two-outputs: logits and their softmax under names that say nothing',
      () =>
        classifier({
          outputs: [info('output_0', LOGITS), info('output_1', LOGITS)],
          behind: [node('Identity', 'logits', 'output_0'), node('Softmax', 'logits', 'output_1')],
        }),
    ],
    [
      'scores alone, of which no logits are given',
      () =>
        classifier({
          outputs: [info('probabilities', LOGITS)],
          behind: [node('Softmax', 'logits', 'inner'), node('Identity', 'inner', 'probabilities')],
        }),
    ],
    [
      'scores that no node of the graph names',
      () =>
        classifier({
          outputs: [info('output', LOGITS)],
          behind: [node('LogSoftmax', 'logits', 'inner'), node('Exp', 'inner', 'output')],
        }),
    ],
    [
      'the output that --output names',
      () =>
        classifier({
          outputs: [info('first', LOGITS), info('second', LOGITS)],
          behind: [node('Neg', 'logits', 'first'), node('Identity', 'logits', 'second')],
        }),
      { outputs: ['second'] },
    ],
  ])('%s', async (_, make, options) => {
    const { list, alone } = await answersOf(await make(), options);
    expect(gapOf(list, scores)).toBeLessThan(1e-4);
    expect(gapOf(alone, scores)).toBeLessThan(1e-4);
  });

  it('k5-onnx-fp16-output, to the precision that it has', async () => {
    const folder = await classifier({
      outputs: [info('logits_half', LOGITS, 'float16')],
      behind: [node('Cast', 'logits', 'logits_half', 'float16')],
    });
    expect(gapOf((await answersOf(folder)).list, scores)).toBeLessThan(1e-3);
  });

  it('logits of a multi-label model that the graph put through the sigmoid', async () => {
    const expected = await cases.answer(multiLabel(cases.copyOf('archs/bert')), TEXTS, {}, ALL);
    const folder = await classifier({
      outputs: [info('scores', LOGITS)],
      behind: [node('Sigmoid', 'logits', 'scores')],
    });
    expect(gapOf((await answersOf(multiLabel(folder))).list, expected)).toBeLessThan(1e-4);
  });
});

/** Several forms of one model in `onnx/`; all but the one of full precision answer otherwise. */
async function severalForms(): Promise<string> {
  const folder = await classifier({ path: 'onnx/model_fp16.onnx' });
  const other = await classifier({ path: 'onnx/model_quantized.onnx', behind: [] });
  const negated = await classifier({
    path: 'onnx/model_q4.onnx',
    outputs: [info('logits_2', LOGITS)],
    behind: [node('Neg', 'logits', 'logits_2')],
  });
  copyFileSync(join(other, 'onnx/model_quantized.onnx'), join(folder, 'onnx/model_quantized.onnx'));
  copyFileSync(join(negated, 'onnx/model_q4.onnx'), join(folder, 'onnx/model_q4.onnx'));
  return folder;
}

describe('of several ONNX files', () => {
  it('k5-onnx-several-files: the one nearest to full precision is published, and the others are named', async () => {
    const { list, warnings, record } = await answersOf(await severalForms());
    expect(gapOf(list, scores)).toBeLessThan(1e-4);
    expect(warnings[0]).toMatch(
      /onnx\/model_fp16\.onnx is taken.*--file chooses onnx\/model_q4\.onnx, onnx\/model_quan/,
    );
    expect(record.task).toBe('text-classification');
  });

  it('--file chooses another, by its path or its name, whatever its folder is called', async () => {
    const folder = await severalForms();
    for (const file of ['onnx/model_q4.onnx', 'model_q4.onnx']) {
      const [[best]] = (await answersOf(folder, { file })).list as [[{ label: string }]];
      expect(best.label).not.toBe((scores as [[{ label: string }]])[0][0].label);
    }
  });

  it('a file that is not there, different models and parts of one that writes texts are refused', async () => {
    const folder = await severalForms();
    const missing = await cases.refusal(folder, { file: 'model_int8.onnx' });
    expect(missing).toMatchObject({ code: 'INVALID_INPUT', details: { field: 'file' } });
    expect(missing.message).toContain('onnx/model_q4.onnx');
    const rename = (from: string, to: string): void => renameSync(join(folder, 'onnx', from), join(folder, 'onnx', to));
    rename('model_fp16.onnx', 'ranker.onnx');
    expect((await cases.refusal(folder)).message).toContain('--file onnx/model_q4.onnx');
    rename('ranker.onnx', 'encoder_model.onnx');
    rename('model_q4.onnx', 'decoder_model.onnx');
    expect(await cases.refusal(folder)).toMatchObject({ code: 'UNSUPPORTED_FORMAT' });
  });
});

describe('an exported encoder', () => {
  const tokensAndText: ExportChanges = {
    outputs: [info('output_0', [-1, -1, 64]), info('882', [-1, 64])],
    behind: [node('Identity', 'last_hidden_state', 'output_0'), node('Identity', 'pooler_output', '882')],
  };

  it('is found by its outputs, and by its tokenizer of the same name, and gives vectors of tokens and texts', async () => {
    const folder = without(await encoder({ path: 'small.onnx', ...tokensAndText }), 'config.json', 'vocab.txt');
    renameSync(join(folder, 'tokenizer.json'), join(folder, 'small-tokenizer.json'));
    without(folder, 'tokenizer_config.json', 'special_tokens_map.json', 'sentence_bert_config.json');
    without(folder, 'config_sentence_transformers.json');
    const { record } = await cases.publish(folder);
    expect(record.task).toBe('feature-extraction');
    const model = await cases.keep.load(record.model);
    expect(gapOf(await model.predict(TEXTS[0]), [vectors.tokens[0]])).toBeLessThan(1e-4);
    expect(gapOf(await cases.answer(folder, TEXTS, { task: 'sentence-embeddings' }), vectors.mean)).toBeLessThan(1e-4);
  });

  it('is pooled as --pooling and --normalize say, and a warning says where nothing does', async () => {
    const first = vectors.tokens.map(([token]) => token ?? []);
    const folder = await encoder();
    const options = { task: 'sentence-embeddings', pooling: 'cls' } as const;
    expect(gapOf((await answersOf(folder, options, {})).list, first)).toBeLessThan(1e-4);
    const units = first.map((vector) => vector.map((each) => each / Math.hypot(...vector)));
    expect(gapOf((await answersOf(folder, { ...options, normalize: true }, {})).list, units)).toBeLessThan(1e-4);
    const { list, warnings } = await answersOf(folder, { task: 'sentence-embeddings' }, {});
    expect(gapOf(list, vectors.mean)).toBeLessThan(1e-4);
    expect(warnings.join()).toContain('--pooling and --normalize');
  });

  it('answers the vector that its graph pooled', async () => {
    const folder = await encoder({
      outputs: [info('last_hidden_state', [-1, -1, 64]), info('sentence_embedding', [-1, 64])],
      behind: [node('Identity', 'pooler_output', 'sentence_embedding')],
    });
    const pooled = await cases.answer(folder, TEXTS, { task: 'sentence-embeddings' });
    expect(gapOf(pooled, vectors.mean)).toBeGreaterThan(1e-4);
    expect(
      gapOf(await cases.answer(folder, TEXTS, { task: 'sentence-embeddings', pooling: 'mean' }), vectors.mean),
    ).toBeLessThan(1e-4);
  });

  it('cuts texts to what its graph takes, where its files say more or nothing', async () => {
    const folder = withoutKeys(await encoder(), 'tokenizer_config.json', 'model_max_length');
    withoutKeys(folder, 'config.json', 'max_position_embeddings');
    without(folder, 'sentence_bert_config.json');
    const { record, warnings } = await cases.publish(folder, { task: 'sentence-embeddings' });
    expect(warnings.join()).toMatch(/takes \d+, which is the limit/);
    const model = await cases.keep.load(record.model);
    expect(await model.predict('word '.repeat(2_000), { parameters: { truncate: true } })).toHaveLength(64);
  });
});

describe('what would fail or answer otherwise is refused when it is published:', () => {
  it.each<[string, () => Promise<string>, Partial<PushOptions>, string]>([
    [
      'a task that the graph has no output for',
      () => classifier(),
      { task: 'token-classification' },
      'logits [rows, tokens, labels]',
    ],
    ['vectors of a classifier', () => classifier(), { task: 'sentence-embeddings' }, 'logits (float32 [rows, 3])'],
    ['an output that is not there', () => classifier(), { outputs: ['other'] }, 'no output other'],
    [
      'outputs that nothing tells apart',
      () =>
        classifier({
          outputs: [info('a', LOGITS), info('b', LOGITS)],
          behind: [node('Neg', 'logits', 'a'), node('Identity', 'logits', 'b')],
        }),
      {},
      '--output',
    ],
    [
      'other labels than config.json names',
      async () => {
        const folder = await classifier();
        changeJson(join(folder, 'config.json'), (json) => ({
          ...(json as object),
          id2label: { 0: 'no', 1: 'yes' },
          label2id: { no: 0, yes: 1 },
        }));
        return folder;
      },
      {},
      'id2label',
    ],
    [
      'a pooling of what the graph pooled',
      () =>
        encoder({ outputs: [info('embedding', [-1, 64])], behind: [node('Identity', 'pooler_output', 'embedding')] }),
      { task: 'sentence-embeddings', pooling: 'max' },
      'one vector a text',
    ],
    ['an output of a checkpoint', async () => cases.copyOf('archs/bert'), { outputs: ['logits'] }, 'ONNX models'],
  ])('%s', async (_, make, options, words) => {
    expect((await cases.refusal(await make(), options)).message).toContain(words);
  });

  it('a graph that fails on every text', async () => {
    const folder = await classifier({
      outputs: [info('broken', [-1, 3])],
      behind: [{ op: 'MatMul', inputs: ['logits', 'logits'], output: 'broken' }],
    });
    const refused = await cases.refusal(folder);
    expect(refused).toMatchObject({ code: 'INVALID_ARTIFACT' });
    expect(refused.message).toContain('it fails on texts of 5 and 12 tokens');
  });
});

describe('what was chosen at publish', () => {
  it('is part of the version: pulled and published again, it answers the same', async () => {
    const folder = await encoder();
    const { record } = await cases.publish(folder, { task: 'sentence-embeddings', pooling: 'cls' });
    const pulled = join(cases.folder(), 'pulled');
    await cases.pull(`${record.model}:${record.version}`, pulled);
    const again = await cases.publish(pulled, { task: 'sentence-embeddings' });
    expect(again.record.digest).toBe(record.digest);
  });

  it('a folder that brings a damaged choice is refused', async () => {
    const folder = await encoder();
    mkdirSync(join(folder, '.modelkeep'));
    writeFileSync(join(folder, '.modelkeep/text.json'), '{"pooling": "median"}');
    const refused = await cases.refusal(folder, { task: 'sentence-embeddings' });
    expect(refused.message).toContain('.modelkeep/text.json: pooling is "median"');
    cpSync(join(folder, 'config.json'), join(folder, '.modelkeep/text.json'));
    expect(await cases.refusal(folder, { task: 'sentence-embeddings' })).toMatchObject({ code: 'INVALID_ARTIFACT' });
  });
});
