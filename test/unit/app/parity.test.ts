import { expect, test } from 'vitest';
import { agreementOf, cosineOf, decisionsOf, vectorOf } from '../../../src/app/parity.js';

const logits = { type: 'float32', dims: [1, 2, 3], data: Float32Array.of(0, 2, 1, 5, 4, 3) } as const;

test('a vector is every number of an answer, or of outputs, in order', () => {
  expect(vectorOf([[1, 2], [[3]]])).toEqual([1, 2, 3]);
  expect(vectorOf({ logits })).toEqual([0, 2, 1, 5, 4, 3]);
  expect(vectorOf({ label: 'POSITIVE', score: 0.5 })).toEqual([0.5]);
});

test('a decision is the best label of each row of outputs that choose', () => {
  expect(decisionsOf({ logits })).toEqual([1, 0]);
  expect(decisionsOf({ start_logits: { ...logits, dims: [1, 6] } })).toEqual([3]);
  expect(decisionsOf({ last_hidden_state: logits })).toEqual([]);
  expect(decisionsOf({ logits: { ...logits, dims: [6, 1] } })).toEqual([]);
});

test('cosines tell directions, not lengths', () => {
  expect(cosineOf([1, 0], [5, 0])).toBeCloseTo(1, 12);
  expect(cosineOf([1, 0], [0, 3])).toBe(0);
  expect(cosineOf([1, 2], [-1, -2])).toBeCloseTo(-1, 12);
  expect(cosineOf([0, 0], [0, 0])).toBe(1);
});

test('agreement is the mean and the lowest cosine, and the share of the same decisions', () => {
  const parity = agreementOf();
  parity.add([1, 0], [1, 0], [0], [0]);
  parity.add([1, 0], [0, 1], [0], [1]);
  expect(parity.finish()).toEqual({ cosine: { mean: 0.5, min: 0 }, topLabel: { agreement: 0.5, decisions: 2 } });
});

test('answers that choose nothing have no best label, and what is no number is not hidden', () => {
  const parity = agreementOf();
  parity.add([1, 0], [1, 0], [], []);
  parity.add([1, 0], [Number.NaN, 0], [], []);
  parity.add([1, 0], [1, 0], [], []);
  expect(parity.finish()).toEqual({ cosine: { mean: Number.NaN, min: Number.NaN } });
});
