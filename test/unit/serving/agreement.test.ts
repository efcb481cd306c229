import { describe, expect, it } from 'vitest';
import { agree } from '../../../src/serving/agreement.js';

const timing = { queueMs: 0, tokenizeMs: 0, runMs: 0 };
const answer = (output: unknown) => ({ ...timing, output });
const tensor = (...data: number[]) => ({
  ...timing,
  tensors: { y: { type: 'float32' as const, dims: [data.length], data: Float32Array.from(data) } },
});

describe('two answers', () => {
  it('agree where they say the same, however sure they are', () => {
    expect(agree(answer([{ label: 'A', score: 0.9 }]), answer([{ label: 'A', score: 0.6 }]))).toBe(true);
    expect(
      agree(answer({ labels: ['a', 'b'], scores: [0.6, 0.4] }), answer({ labels: ['a', 'b'], scores: [1, 0] })),
    ).toBe(true);
    expect(agree(answer([0.1, 0.2]), answer([0.1, 0.2004]))).toBe(true);
    expect(agree(tensor(1, 2), tensor(1, 2.0001))).toBe(true);
  });

  it('differ in label, order, place, number, length, or kind', () => {
    expect(agree(answer([{ label: 'A', score: 0.9 }]), answer([{ label: 'B', score: 0.9 }]))).toBe(false);
    expect(agree(answer({ labels: ['a', 'b'] }), answer({ labels: ['b', 'a'] }))).toBe(false);
    expect(agree(answer({ answer: 'x', start: 1 }), answer({ answer: 'x', start: 2 }))).toBe(false);
    expect(agree(answer([{ label: 'A' }]), answer([{ label: 'A' }, { label: 'B' }]))).toBe(false);
    expect(agree(answer({ label: 'A' }), answer({ label: 'A', more: 1 }))).toBe(false);
    expect(agree(answer('a'), answer(null))).toBe(false);
    expect(agree(tensor(1, 2), tensor(1, 2.1))).toBe(false);
    expect(agree(tensor(1), tensor(1, 2))).toBe(false);
    expect(agree(tensor(1), answer([1]))).toBe(false);
  });
});
