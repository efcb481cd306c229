/** Says how alike two vectors of one length are: the larger, the more. */
export type Similarity = (a: readonly number[], b: readonly number[]) => number;

function sum(a: readonly number[], b: readonly number[], of: (x: number, y: number) => number): number {
  return a.reduce((total, each, i) => total + of(each, b[i] ?? 0), 0);
}

/** Cosine of the angle between two vectors; 0 if one of them is 0. */
export const cosine: Similarity = (a, b) => {
  const norms = Math.hypot(...a) * Math.hypot(...b);
  return norms === 0 ? 0 : sum(a, b, (x, y) => x * y) / norms;
};

/** The similarities by the names that sentence-transformers gives them; distances count as negative. */
export const SIMILARITIES: Readonly<Record<string, Similarity>> = {
  cosine,
  dot: (a, b) => sum(a, b, (x, y) => x * y),
  euclidean: (a, b) => -Math.sqrt(sum(a, b, (x, y) => (x - y) ** 2)),
  manhattan: (a, b) => -sum(a, b, (x, y) => Math.abs(x - y)),
};
