import type { PoolingName } from '../formats/index.js';
import { row, type Output } from './outputs.js';

function weightedSum(tokens: readonly Float32Array[], weight: (at: number) => number, divisor: number): number[] {
  const sum = Array.from({ length: tokens[0]?.length ?? 0 }, () => 0);
  tokens.forEach((token, at) => {
    const factor = weight(at);
    for (let i = 0; i < sum.length; i++) sum[i] = (sum[i] ?? 0) + factor * (token[i] ?? 0);
  });
  return sum.map((each) => each / divisor);
}

function poolBy(mode: PoolingName, tokens: readonly Float32Array[], first: number): number[] {
  const pooled = tokens.slice(first);
  const count = Math.max(pooled.length, 1e-9);
  switch (mode) {
    case 'cls':
      return Array.from(pooled[0] ?? []);
    case 'lasttoken':
      return Array.from(pooled.at(-1) ?? []);
    case 'max':
      return Array.from(pooled[0] ?? [], (_, i) => pooled.reduce((max, t) => Math.max(max, t[i] ?? 0), -Infinity));
    case 'mean':
      return weightedSum(pooled, () => 1, count);
    case 'mean_sqrt_len_tokens':
      return weightedSum(pooled, () => 1, Math.sqrt(count));
    case 'weightedmean': {
      // Weights are positions counted from 1 (SGPT), positions of a prompt that is left out included.
      const total = pooled.reduce((sum, _, at) => sum + first + at + 1, 0);
      return weightedSum(pooled, (at) => first + at + 1, total);
    }
  }
}

/**
 * One vector of the vectors of tokens: those of several modes are joined, in the order of `modes`.
 *
 * @param tokens [tokens, features]
 * @param skip tokens at the beginning that belong to a prompt and are left out; at least one must be left
 */
export function pool(tokens: Output, modes: readonly PoolingName[], skip: number): number[] {
  const rows = Array.from({ length: tokens.dims[0] ?? 0 }, (_, at) => row(tokens, at));
  return modes.flatMap((mode) => poolBy(mode, rows, skip));
}

/** The vector with length 1; nought stays nought. */
export function unit(vector: readonly number[]): number[] {
  const norm = Math.max(Math.hypot(...vector), 1e-12);
  return vector.map((each) => each / norm);
}
