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
  /** Of DoRA: the length that each row of the sum gets, before it is turned. */
  readonly lengths?: Float32Array | undefined;
}

/**
 * W + scale · B·A, as the peft package merges it: Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models"
 * (2021); with lengths, each row of that in the direction that it has and of the length that was trained: Liu et al.,
 * "DoRA: Weight-Decomposed Low-Rank Adaptation" (2024). Sums are made in float64 and rounded once.
 *
 * @param weight float32 [rows, columns], row-major; of its type is the result
 */
export function mergeLora(weight: Float32Array, factors: LoraFactors): Float32Array {
  const { a, b, rank, scale, transposed, lengths } = factors;
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
    let squares = 0;
    for (let column = 0; column < columns; column++) {
      const at = transposed ? column * rows + row : row * columns + column;
      const sum = (weight[at] ?? 0) + (line[column] ?? 0) * scale;
      line[column] = sum;
      squares += sum * sum;
    }
    const stretch = lengths === undefined ? 1 : (lengths[row] ?? 0) / Math.sqrt(squares);
    for (let column = 0; column < columns; column++) {
      const at = transposed ? column * rows + row : row * columns + column;
      merged[at] = (line[column] ?? 0) * stretch;
    }
  }
  return merged;
}

/**
 * A weight whose rows or columns are multiplied: Liu et al., "Few-Shot Parameter-Efficient Fine-Tuning is Better and
 * Cheaper than In-Context Learning" (2022).
 *
 * @param columns of the weight
 */
export function multiplied(
  weight: Float32Array,
  factors: Float32Array,
  { columns, ofInputs }: { readonly columns: number; readonly ofInputs: boolean },
): Float32Array {
  return weight.map((value, at) => value * (factors[ofInputs ? at % columns : Math.floor(at / columns)] ?? 0));
}

/** A table with some rows of another. @param rows which ones, in the order of `fresh` */
export function withRows(table: Float32Array, fresh: Float32Array, rows: readonly number[]): Float32Array {
  const changed = Float32Array.from(table);
  const width = fresh.length / rows.length;
  for (const [index, row] of rows.entries())
    changed.set(fresh.subarray(index * width, (index + 1) * width), row * width);
  return changed;
}

/** b + scale · c. */
export function addScaled(bias: Float32Array, change: Float32Array, scale: number): Float32Array {
  return bias.map((value, index) => value + (change[index] ?? 0) * scale);
}
