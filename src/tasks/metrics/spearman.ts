import { requireSameLength } from './paired.js';

/** Ranks from 1; equal values share the mean of their ranks. */
function ranks(values: readonly number[]): number[] {
  const order = values.map((_, i) => i).toSorted((a, b) => (values[a] ?? 0) - (values[b] ?? 0));
  const result = values.map(() => 0);
  for (let from = 0; from < order.length;) {
    let to = from + 1;
    while (to < order.length && values[order[to] ?? 0] === values[order[from] ?? 0]) to++;
    for (const i of order.slice(from, to)) result[i] = (from + 1 + to) / 2;
    from = to;
  }
  return result;
}

const mean = (values: readonly number[]): number => values.reduce((sum, x) => sum + x, 0) / values.length;

function pearson(a: readonly number[], b: readonly number[]): number {
  const meanA = mean(a);
  const meanB = mean(b);
  let products = 0;
  let squaresA = 0;
  let squaresB = 0;
  a.forEach((x, i) => {
    const y = (b[i] ?? 0) - meanB;
    products += (x - meanA) * y;
    squaresA += (x - meanA) ** 2;
    squaresB += y ** 2;
  });
  return products / Math.sqrt(squaresA * squaresB);
}

/**
 * Spearman's rank correlation, -1 to 1: Pearson's correlation of the ranks, equal values sharing the mean of their
 * ranks (Spearman 1904; as `scipy.stats.spearmanr`).
 *
 * @returns NaN if one of the lists is constant or there are fewer than two values
 * @throws ModelkeepError `INVALID_INPUT` if the lists differ in length
 */
export function spearman(a: readonly number[], b: readonly number[]): number {
  requireSameLength(a, b);
  return pearson(ranks(a), ranks(b));
}
