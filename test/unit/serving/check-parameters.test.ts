import { expect, test } from 'vitest';
import { checkParameters } from '../../../src/serving/check-parameters.js';

test.each<[unknown, string]>([
  [{ top_k: Number.NaN }, 'parameters.top_k'],
  [{ top_k: Infinity }, 'parameters.top_k'],
  [{ candidate_labels: ['a', -Infinity] }, 'parameters.candidate_labels.1'],
  [{ a: { b: [{ c: Number.NaN }] } }, 'parameters.a.b.0.c'],
])('%j is refused by the name of what is wrong', (parameters, field) => {
  expect(() => checkParameters(parameters)).toThrow(
    expect.objectContaining({ code: 'INVALID_INPUT', message: expect.stringContaining(field), details: { field } }),
  );
});

test.each([undefined, {}, { top_k: null, threshold: 0.5, names: ['NaN', 'Infinity'], deep: { on: true } }])(
  '%j is left to the task',
  (parameters) => {
    expect(() => checkParameters(parameters)).not.toThrow();
  },
);
