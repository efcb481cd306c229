import { expect, test } from 'vitest';
import { checkTokens, checkTokenTensors } from '../../../src/serving/text-length.js';

const INVALID = expect.objectContaining({ code: 'INVALID_INPUT' }) as Error;

test.each<[string, unknown]>([
  ['a text', 'one two three four'],
  ['texts', ['one two', 'three four']],
  ['a pair', { text: 'one two', text_pair: 'three four' }],
  ['ids', [1, 2, 3, 4]],
  [
    'lists of ids',
    [
      [1, 2],
      [3, 4],
    ],
  ],
])('%s of four tokens pass a limit of four and not one of three', (_what, inputs) => {
  expect(() => checkTokens(inputs, 4)).not.toThrow();
  expect(() => checkTokens(inputs, 3)).toThrow(INVALID);
  expect(() => checkTokens(inputs, 0)).not.toThrow();
});

test('a text of ten million characters is measured at once', () => {
  expect(() => checkTokens('word '.repeat(2_000_000), 1_999_000)).toThrow(INVALID);
});

test('token tensors are counted as they are, of the input that holds the tokens', () => {
  const ids = { type: 'int64', dims: [2, 2], data: BigInt64Array.of(1n, 2n, 3n, 4n) } as const;
  expect(() => checkTokenTensors({ input_ids: ids }, 4)).not.toThrow();
  expect(() => checkTokenTensors({ input_ids: ids }, 3)).toThrow(INVALID);
  expect(() => checkTokenTensors({ input_ids: ids }, 0)).not.toThrow();
  expect(() => checkTokenTensors({ X: ids }, 3)).not.toThrow();
});
