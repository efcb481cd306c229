import { softmax } from './scores.js';

/** A span of tokens, both ends inclusive, with the product of the probabilities of its ends. */
export interface ScoredSpan {
  readonly start: number;
  readonly end: number;
  readonly score: number;
}

/** Logit of what may not be chosen, as transformers sets it. */
const FORBIDDEN = -10_000;

/**
 * The best spans of one window, as `select_starts_ends` and `decode_spans` of transformers find them: softmax of the
 * logits of allowed tokens, the first token (no answer) then set to 0, spans of at most `maxLength` tokens by the
 * product of start and end.
 *
 * @returns the spans, best first, and `nullScore`, the score of "no answer"
 */
export function bestSpans(
  startLogits: ArrayLike<number>,
  endLogits: ArrayLike<number>,
  allowed: readonly boolean[],
  maxLength: number,
  count: number,
): { readonly spans: readonly ScoredSpan[]; readonly nullScore: number } {
  const masked = (logits: ArrayLike<number>): number[] =>
    softmax(allowed.map((ok, i) => (ok ? (logits[i] ?? 0) : FORBIDDEN)));
  const starts = masked(startLogits);
  const ends = masked(endLogits);
  const nullScore = (starts[0] ?? 0) * (ends[0] ?? 0);
  starts[0] = 0;
  ends[0] = 0;
  let spans: ScoredSpan[] = [];
  for (let start = 0; start < starts.length; start++) {
    if (!allowed[start]) continue;
    for (let end = start; end < Math.min(ends.length, start + maxLength); end++) {
      if (allowed[end]) spans.push({ start, end, score: (starts[start] ?? 0) * (ends[end] ?? 0) });
    }
    if (spans.length > 50_000) spans = best(spans, count);
  }
  return { spans: best(spans, count), nullScore };
}

function best(spans: readonly ScoredSpan[], count: number): ScoredSpan[] {
  return spans.toSorted((a, b) => b.score - a.score).slice(0, count);
}
