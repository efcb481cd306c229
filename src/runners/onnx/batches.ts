/** Sequences that run together, by their index, and the length to which they are padded. */
export interface Batch {
  readonly indexes: readonly number[];
  readonly length: number;
}

/** Bounds of a batch. */
export interface BatchLimits {
  /** Largest number of tokens in one run, padding included; one longer sequence runs alone. */
  readonly maxTokens: number;
  /** Largest share of padding in one run, 0 to 1. */
  readonly maxPadding: number;
}

/**
 * Default bounds. 4096 tokens keep the activations of BERT-base below about 50 MB; 10 % padding is the bound that
 * mixed text is measured by, since padding to the longest is slower than no batching at all.
 */
export const BATCH_LIMITS: BatchLimits = Object.freeze({ maxTokens: 4_096, maxPadding: 0.1 });

/** Groups sequences by length so that little is padded. `lengths[i]` is the number of tokens of sequence `i`. */
export function groupByLength(lengths: readonly number[], limits: BatchLimits = BATCH_LIMITS): readonly Batch[] {
  const order = lengths.map((_, index) => index).toSorted((a, b) => lengths[a]! - lengths[b]!);
  const batches: Batch[] = [];
  let indexes: number[] = [];
  let tokens = 0;
  let longest = 0;
  for (const index of order) {
    const length = lengths[index]!;
    const padded = length * (indexes.length + 1);
    const padding = padded === 0 ? 0 : 1 - (tokens + length) / padded;
    if (indexes.length > 0 && (padded > limits.maxTokens || padding > limits.maxPadding)) {
      batches.push({ indexes, length: longest });
      indexes = [];
      tokens = 0;
    }
    indexes.push(index);
    tokens += length;
    longest = length;
  }
  if (indexes.length > 0) batches.push({ indexes, length: longest });
  return batches;
}
