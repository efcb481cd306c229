import { requireSameLength } from './paired.js';

/** How often each label was right and wrong. */
export interface LabelReport {
  readonly label: string;
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
  /** Number of examples that have the label. */
  readonly support: number;
}

/** Metrics of single-label classification. */
export interface ClassificationMetrics {
  /** Share of examples with the right label, 0 to 1. */
  readonly accuracy: number;
  /** Mean of the labels' F1, each label counting the same. */
  readonly macroF1: number;
  readonly labels: readonly LabelReport[];
  /** `confusion[i][j]`: examples of label i that were given label j, in the order of `labels`. */
  readonly confusion: readonly (readonly number[])[];
}

function ratio(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole;
}

/** Harmonic mean of precision and recall, 0 if both are 0 (van Rijsbergen 1979, with beta 1). */
export function f1Of(precision: number, recall: number): number {
  return ratio(2 * precision * recall, precision + recall);
}

/**
 * Accuracy, macro-F1 and confusion of labels, as `accuracy_score`, `f1_score(average='macro', zero_division=0)` and
 * `confusion_matrix` of scikit-learn compute them: labels are all that occur in either list, sorted.
 *
 * @param expected the right labels
 * @param predicted the model's labels, in the same order
 * @throws ModelkeepError `INVALID_INPUT` if the lists differ in length
 */
export function classificationMetrics(
  expected: readonly string[],
  predicted: readonly string[],
): ClassificationMetrics {
  requireSameLength(expected, predicted);
  const names = [...new Set([...expected, ...predicted])].toSorted();
  const place = new Map(names.map((name, i) => [name, i]));
  const confusion = names.map(() => names.map(() => 0));
  expected.forEach((label, i) => {
    const cells = confusion[place.get(label) ?? 0];
    const column = place.get(predicted[i] ?? '') ?? 0;
    if (cells) cells[column] = (cells[column] ?? 0) + 1;
  });
  const labels = names.map((label, i): LabelReport => {
    const hits = confusion[i]?.[i] ?? 0;
    const support = (confusion[i] ?? []).reduce((a, b) => a + b, 0);
    const given = confusion.reduce((sum, cells) => sum + (cells[i] ?? 0), 0);
    const precision = ratio(hits, given);
    const recall = ratio(hits, support);
    return { label, precision, recall, f1: f1Of(precision, recall), support };
  });
  const right = names.reduce((sum, _, i) => sum + (confusion[i]?.[i] ?? 0), 0);
  return {
    accuracy: ratio(right, expected.length),
    macroF1: ratio(
      labels.reduce((sum, each) => sum + each.f1, 0),
      labels.length,
    ),
    labels,
    confusion,
  };
}
