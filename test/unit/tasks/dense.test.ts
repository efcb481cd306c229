import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openDense } from '../../../src/tasks/dense.js';
import { readSentencePipeline } from '../../../src/tasks/sentence-pipeline.js';
import { memoryFiles } from '../formats/memory-files.js';

const TANH = 'test/fixtures/tasks/dense/tanh';

function tanhFiles(changes: Readonly<Record<string, unknown>> = {}, without?: string) {
  const paths = readdirSync(TANH, { recursive: true, encoding: 'utf8' }).filter((path) =>
    statSync(join(TANH, path)).isFile(),
  );
  const contents = Object.fromEntries(paths.map((path) => [path, readFileSync(join(TANH, path))]));
  for (const [path, value] of Object.entries(changes)) contents[path] = Buffer.from(JSON.stringify(value));
  if (without !== undefined) delete contents[without];
  return memoryFiles(contents);
}

const DENSE = {
  in_features: 64,
  out_features: 16,
  bias: true,
  activation_function: 'torch.nn.modules.activation.Tanh',
};
const CONFIG = '2_Dense/config.json';
const MODULE = { path: '2_Dense', type: 'sentence_transformers.models.Dense', kind: 'Dense' };

test('the modules behind a pooling are read in order', async () => {
  const { modes, steps } = await readSentencePipeline(tanhFiles());
  expect(modes).toEqual(['cls']);
  expect(steps.map((step) => (step === 'normalize' ? step : [step.from, step.to]))).toEqual([[64, 16], 'normalize']);
});

test('an activation without a name is Tanh, as sentence-transformers has it', async () => {
  const { activation_function: _, ...unnamed } = DENSE;
  const vector = Array.from({ length: 64 }, (__, at) => Math.sin(at));
  const named = await openDense(tanhFiles(), MODULE);
  expect((await openDense(tanhFiles({ [CONFIG]: unnamed }), MODULE)).apply(vector)).toEqual(named.apply(vector));
});

test.each([
  [
    'an activation of another library',
    { [CONFIG]: { ...DENSE, activation_function: 'my.Tanh' } },
    'UNSUPPORTED_FORMAT',
  ],
  ['an unknown activation', { [CONFIG]: { ...DENSE, activation_function: 'torch.nn.Softmax' } }, 'UNSUPPORTED_FORMAT'],
  ['vectors of tokens', { [CONFIG]: { ...DENSE, module_input_name: 'token_embeddings' } }, 'UNSUPPORTED_FORMAT'],
  ['more inputs than its weight', { [CONFIG]: { ...DENSE, in_features: 128 } }, 'INVALID_ARTIFACT'],
  ['more outputs than its weight', { [CONFIG]: { ...DENSE, out_features: 17 } }, 'INVALID_ARTIFACT'],
  ['no number of inputs', { [CONFIG]: { out_features: 16 } }, 'INVALID_ARTIFACT'],
  ['a bias that it is not to have', { [CONFIG]: { ...DENSE, bias: false } }, 'INVALID_ARTIFACT'],
  [
    'another width of the pooling',
    { '1_Pooling/config.json': { word_embedding_dimension: 32, pooling_mode_cls_token: true } },
    'INVALID_ARTIFACT',
  ],
  ['weights that are no safetensors', { '2_Dense/model.safetensors': 'x' }, 'INVALID_ARTIFACT'],
  ['no list of modules', { 'modules.json': {} }, 'INVALID_ARTIFACT'],
  ['an unknown module', { 'modules.json': [{ path: '', type: 'a.LSTM' }] }, 'UNSUPPORTED_FORMAT'],
  [
    'a layer before the pooling',
    {
      'modules.json': [
        { path: '2_Dense', type: 'a.Dense' },
        { path: '1_Pooling', type: 'a.Pooling' },
      ],
    },
    'UNSUPPORTED_FORMAT',
  ],
])('a directory with %s is refused', async (_what, changes, code) => {
  await expect(readSentencePipeline(tanhFiles(changes))).rejects.toMatchObject({ code });
});

test.each(['2_Dense/config.json', '2_Dense/model.safetensors'])('without %s it is refused', async (path) => {
  await expect(readSentencePipeline(tanhFiles({}, path))).rejects.toMatchObject({ code: 'INVALID_ARTIFACT' });
});
