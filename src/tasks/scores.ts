/**
 * Softmax in float64 of float32 logits: `exp(x_i - max) / sum_j exp(x_j - max)`.
 *
 * @returns probabilities in the order of `logits`; they add up to 1
 */
export function softmax(logits: ArrayLike<number>): number[] {
  let max = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < logits.length; i++) max = Math.max(max, logits[i] ?? 0);
  const exps = Array.from(logits, (x) => Math.exp(x - max));
  const sum = exps.reduce((a, b) => a + b, 0);
  return exps.map((x) => x / sum);
}

/** The logistic function `1 / (1 + exp(-x))`. */
export function sigmoid(x: number): number {
  return 1 / (1 + Math.exp(-x));
}

/** Index of the first of the largest values; 0 for none. */
export function argmax(values: ArrayLike<number>): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if ((values[i] ?? 0) > (values[best] ?? 0)) best = i;
  return best;
}

/** Indices of the `count` largest values, largest first; equal ones by index. */
export function largest(values: ArrayLike<number>, count: number): number[] {
  const order = Array.from(values, (_, i) => i);
  order.sort((a, b) => (values[b] ?? 0) - (values[a] ?? 0) || a - b);
  return order.slice(0, count);
}
