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

/** A matrix with its rows as columns. @param rows of the matrix itself */
function turned(matrix: Float32Array, rows: number): Float32Array {
  const columns = matrix.length / rows;
  const result = new Float32Array(matrix.length);
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++) result[column * rows + row] = matrix[row * columns + column] ?? 0;
  return result;
}

/** Adds a multiple of one line to another. */
function addLine(line: Float64Array, other: Float32Array, factor: number): void {
  for (let at = 0; at < line.length; at++) line[at] = (line[at] as number) + factor * (other[at] as number);
}

/** W + scale · left · right, where `left` is [rows, rank] and `right` [rank, columns]. */
function addProduct(
  weight: Float32Array,
  { left, right, rank, scale }: { left: Float32Array; right: Float32Array; rank: number; scale: number },
): Float32Array {
  const [rows, columns] = [left.length / rank, right.length / rank];
  const merged = new Float32Array(weight.length);
  const line = new Float64Array(columns);
  const lines = Array.from({ length: rank }, (_, at) => right.subarray(at * columns, (at + 1) * columns));
  for (let row = 0; row < rows; row++) {
    line.fill(0);
    for (const [inner, other] of lines.entries()) addLine(line, other, scale * (left[row * rank + inner] ?? 0));
    addLine(line, weight.subarray(row * columns, (row + 1) * columns), 1);
    merged.set(line, row * columns);
  }
  return merged;
}

/** Gives each row of a matrix, or each column, a length. */
function stretch(matrix: Float32Array, lengths: Float32Array, ofColumns: boolean): void {
  const columns = ofColumns ? lengths.length : matrix.length / lengths.length;
  const rows = matrix.length / columns;
  const squares = new Float64Array(lengths.length);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const value = matrix[row * columns + column] as number;
      const at = ofColumns ? column : row;
      squares[at] = (squares[at] as number) + value * value;
    }
  }
  const factors = squares.map((sum, at) => (lengths[at] ?? 0) / Math.sqrt(sum));
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const at = row * columns + column;
      matrix[at] = (matrix[at] as number) * (factors[ofColumns ? column : row] as number);
    }
  }
}

/**
 * W + scale · B·A, as the peft package merges it: Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models"
 * (2021); with lengths, each row of that in the direction that it has and of the length that was trained: Liu et al.,
 * "DoRA: Weight-Decomposed Low-Rank Adaptation" (2024). Products are summed in float64 and rounded once.
 *
 * @param weight float32 [rows, columns], row-major; of its type is the result
 */
export function mergeLora(weight: Float32Array, factors: LoraFactors): Float32Array {
  const { a, b, rank, scale, transposed, lengths } = factors;
  const left = transposed ? turned(a, rank) : b;
  const right = transposed ? turned(b, b.length / rank) : a;
  const merged = addProduct(weight, { left, right, rank, scale });
  if (lengths !== undefined) stretch(merged, lengths, transposed);
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
