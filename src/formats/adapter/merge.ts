/** A pair of narrow matrices, row-major. */
export interface LoraFactors {
  /** [rank, columns of B·A]. */
  readonly a: Float32Array;
  /** [rows of B·A, rank]. */
  readonly b: Float32Array;
  readonly rank: number;
  readonly scale: number;
  /** True: the product is turned before it is added, as embeddings have it. */
  readonly transposed: boolean;
}

/**
 * W + scale · B·A, as the peft package merges it: Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models"
 * (2021). Products are summed in float64 and rounded once.
 *
 * @param weight float32 [rows, columns], row-major; of its type is the result
 */
export function mergeLora(weight: Float32Array, { a, b, rank, scale, transposed }: LoraFactors): Float32Array {
  const [rows, columns] = [b.length / rank, a.length / rank];
  const merged = new Float32Array(weight.length);
  const line = new Float64Array(columns);
  for (let row = 0; row < rows; row++) {
    line.fill(0);
    for (let inner = 0; inner < rank; inner++) {
      const factor = b[row * rank + inner] ?? 0;
      const from = inner * columns;
      for (let column = 0; column < columns; column++)
        line[column] = (line[column] ?? 0) + factor * (a[from + column] ?? 0);
    }
    for (let column = 0; column < columns; column++) {
      const at = transposed ? column * rows + row : row * columns + column;
      merged[at] = (weight[at] ?? 0) + (line[column] ?? 0) * scale;
    }
  }
  return merged;
}
