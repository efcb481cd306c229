import { expect, test } from 'vitest';
import { readTextChoices, TEXT_FILE } from '../../../src/formats/index.js';
import { memoryFiles } from './memory-files.js';

function withChoices(value: unknown) {
  return memoryFiles({ [TEXT_FILE]: Buffer.from(JSON.stringify(value)) });
}

test('what is not chosen is left to the model’s own files', async () => {
  expect(await readTextChoices(memoryFiles({}))).toEqual({});
});

test('choices are read as they were written', async () => {
  const choices = {
    outputs: ['output_0'],
    pooling: 'cls',
    normalize: true,
    shared: 'equal-lengths',
    maxTokens: 128,
  };
  expect(await readTextChoices(withChoices(choices))).toEqual(choices);
});

test.each<object>([
  { pooling: 'median' },
  { normalize: 'yes' },
  { file: 'model.onnx' },
  { activation: 'tanh' },
  { outputs: [] },
  { outputs: ['a', 'b', 'c'] },
  { shared: 'sometimes' },
  { maxTokens: 0 },
  { pool: 'mean' },
  { toString: 'mean' },
])('%j is refused', async (value) => {
  await expect(readTextChoices(withChoices(value))).rejects.toMatchObject({ code: 'INVALID_ARTIFACT' });
});
