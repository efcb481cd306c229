import { f1Of } from './classification.js';
import { requireSameLength } from './paired.js';

/** A span of tags: tokens `start` to `end`, both inclusive, of one type. */
export interface TaggedSpan {
  readonly type: string;
  readonly start: number;
  readonly end: number;
}

/**
 * Entities of a sequence of BIO tags, strictly: one begins with `B-TYPE` and goes on with `I-TYPE`; an `I-` that
 * continues nothing is no entity (IOB2 in `mode='strict'` of seqeval).
 */
export function strictSpans(tags: readonly string[]): TaggedSpan[] {
  const spans: TaggedSpan[] = [];
  let open: { type: string; start: number } | undefined;
  const close = (end: number): void => {
    if (open) spans.push({ ...open, end });
    open = undefined;
  };
  tags.forEach((tag, i) => {
    const type = tag.slice(2);
    if (tag.startsWith('I-') && open?.type === type) return;
    close(i - 1);
    if (tag.startsWith('B-')) open = { type, start: i };
  });
  close(tags.length - 1);
  return spans;
}

const keyOf = (span: TaggedSpan): string => `${span.start} ${span.end} ${span.type}`;

/** Precision, recall and F1 over all entities of all sequences. */
export interface EntityMetrics {
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
  /** Number of expected entities. */
  readonly support: number;
}

/**
 * Micro-averaged entity F1 as seqeval computes it: an entity is right if type and both ends are.
 *
 * @param expected BIO tags of each sequence
 * @param predicted the model's tags, in the same order
 * @throws ModelkeepError `INVALID_INPUT` if numbers of sequences or tags differ
 */
export function entityMetrics(
  expected: readonly (readonly string[])[],
  predicted: readonly (readonly string[])[],
): EntityMetrics {
  requireSameLength(expected, predicted);
  let hits = 0;
  let given = 0;
  let support = 0;
  expected.forEach((tags, i) => {
    requireSameLength(tags, predicted[i] ?? []);
    const right = new Set(strictSpans(tags).map(keyOf));
    const found = strictSpans(predicted[i] ?? []).map(keyOf);
    support += right.size;
    given += found.length;
    hits += found.filter((key) => right.has(key)).length;
  });
  const precision = given === 0 ? 0 : hits / given;
  const recall = support === 0 ? 0 : hits / support;
  return { precision, recall, f1: f1Of(precision, recall), support };
}
