import type { SharedRuns } from '../../formats/index.js';

/** Sequences that run together, by their index, and the length to which they are padded. */
export interface Batch {
  readonly indexes: readonly number[];
  readonly length: number;
  /** Rows of the run; those beyond the sequences are copies of the first. @defaultValue one a sequence */
  readonly rows?: number | undefined;
}

/** Bounds of a batch. */
export interface BatchLimits {
  /** Largest number of tokens in one run, padding included; one longer sequence runs alone. */
  readonly maxTokens: number;
}

/** What a graph demands of its runs, besides. */
export interface RunForm {
  /** True for graphs that compute padding in attention alone. @defaultValue false */
  readonly skipsPadding?: boolean | undefined;
  /** The rows of every run. @defaultValue any */
  readonly rows?: number | undefined;
  /** True if a lone sequence runs beside a copy of itself. @defaultValue false */
  readonly twice?: boolean | undefined;
  /** The length of every run. @defaultValue that of the longest sequence */
  readonly length?: number | undefined;
  /** Which sequences may share a run. @defaultValue all that fit */
  readonly shared?: SharedRuns | undefined;
}

/**
 * Default bounds. From 200 tokens on a run gains nothing by being larger: its weights are read once for so many that
 * arithmetic decides, and what its layers hand on no longer stays in a processor's own cache (MiniLM: 11.5 ms a sequence of
 * 51 tokens in runs of 204, 11.9 in runs of 408). Whatever waits behind a larger one waits longer, and it takes more
 * memory.
 */
export const BATCH_LIMITS: BatchLimits = Object.freeze({ maxTokens: 256 });

/**
 * What a run costs whatever it holds, in tokens: it reads every weight once. Measured with MiniLM in float32 on one
 * thread, a run takes 2.6 ms + 0.175 ms for each token + 0.15 µs for each pair of tokens of a sequence. The first two grow
 * with the number of weights, so their quotient is much the same for larger models.
 */
const RUN_TOKENS = 15;

/** Pairs of tokens that attention compares in the time that a token takes in all else; more in wider models. */
const PAIRS_A_TOKEN = 1_200;

/**
 * What padding adds to the cost of rows that are padded to one length, in tokens.
 *
 * @param skipsPadding true for graphs that compute padding in attention alone
 */
export function padded(rows: number, length: number, skipsPadding: boolean): number {
  return skipsPadding ? (rows * length * length) / PAIRS_A_TOKEN : rows * length;
}

/** The most sequences that one run may have, whatever their length. */
function mostRows({ rows = Number.POSITIVE_INFINITY, shared }: RunForm): number {
  return shared === 'alone' ? 1 : rows;
}

/**
 * Groups sequences by length at the least cost: neighbours in length run together where the padding costs less than a
 * run of their own. `lengths[i]` is the number of tokens of sequence `i`.
 *
 * @param form what the graph demands of its runs
 */
export function groupByLength(
  lengths: readonly number[],
  { maxTokens } = BATCH_LIMITS,
  form: RunForm = {},
): readonly Batch[] {
  const { skipsPadding = false, rows: fixedRows, length: fixedLength, shared, twice } = form;
  const most = mostRows(form);
  const order = lengths.map((_, index) => index).toSorted((a, b) => lengths[a]! - lengths[b]!);
  /** The least cost of the first `n` in order, beside that of their tokens, and where the last batch of that begins. */
  const costs = [0];
  const begins = [0];
  for (let end = 1; end <= order.length; end++) {
    const own = lengths[order[end - 1]!]!;
    const length = fixedLength ?? own;
    costs[end] = Number.POSITIVE_INFINITY;
    for (let begin = end - 1; begin >= 0; begin--) {
      const rows = end - begin;
      if (rows > 1 && (rows > most || (fixedRows === undefined && rows * length > maxTokens))) break;
      if (shared === 'equal-lengths' && lengths[order[begin]!]! !== own) break;
      const cost = costs[begin]! + RUN_TOKENS + padded(fixedRows ?? rows, length, skipsPadding);
      if (cost >= costs[end]!) continue;
      costs[end] = cost;
      begins[end] = begin;
    }
  }
  const batches: Batch[] = [];
  for (let end = order.length; end > 0; end = begins[end]!) {
    const indexes = order.slice(begins[end], end);
    const length = fixedLength ?? lengths[order[end - 1]!]!;
    const rows = fixedRows ?? (twice === true && indexes.length === 1 ? 2 : undefined);
    batches.unshift(rows === undefined ? { indexes, length } : { indexes, length, rows });
  }
  return batches;
}
