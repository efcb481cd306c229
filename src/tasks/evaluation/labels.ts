import { invalidInput } from '../input.js';
import { classificationMetrics } from '../metrics/classification.js';
import { inputOfRow, type DataRow } from '../rows.js';
import type { MaskProposal } from '../fill-mask.js';
import type { LabelScore } from '../text-classification.js';
import type { ZeroShotAnswer } from '../zero-shot-classification.js';
import { byRightness, textField, type TaskEvaluation } from './evaluation.js';

/** The right label, the model's, and whether they are the same. */
interface LabelOutcome {
  readonly expected: string;
  readonly given: string;
  /** How sure the model was, 0 to 1. */
  readonly score?: number;
}

const isRight = ({ expected, given }: LabelOutcome): boolean => expected === given;

function requireKnown(label: string, known: readonly string[]): void {
  if (!known.includes(label)) {
    throw invalidInput(
      'label',
      `is ${JSON.stringify(label)}, which the model never gives; it knows ${known.join(', ')}`,
    );
  }
}

const ofLabels: Pick<TaskEvaluation<string, LabelOutcome>, 'figure' | 'loss' | 'measure' | 'compare'> = {
  figure: 'accuracy',
  // The surer a wrong answer, the worse.
  loss: (outcome) => (isRight(outcome) ? 0 : (outcome.score ?? 1)),
  measure: (outcomes) => {
    const { accuracy, macroF1, ...report } = classificationMetrics(
      outcomes.map(({ expected }) => expected),
      outcomes.map(({ given }) => given),
    );
    return { figures: { accuracy, macroF1 }, report };
  },
  compare: (first, second) => byRightness('accuracy', first.map(isRight), second.map(isRight)),
};

/** Accuracy, macro-F1 and confusion of `text`, `label` (and `text_pair` or `sentence1`, `sentence2`). */
export const evaluateClassification: TaskEvaluation<string, LabelOutcome> = {
  ...ofLabels,
  // All labels, so that one that the model does not know is told from one that it got wrong.
  parameters: { top_k: null },
  example: (row) => ({ inputs: inputOfRow('text-classification', row), expected: textField(row, 'label') }),
  outcome: (expected, output) => {
    const scores = output as readonly LabelScore[];
    requireKnown(
      expected,
      scores.map(({ label }) => String(label)),
    );
    const { label: given = '', score = 0 } = scores[0] ?? {};
    return { expected, given: String(given), score };
  },
};

function candidatesOf(row: DataRow): Readonly<Record<string, unknown>> | undefined {
  const candidates = row['candidate_labels'];
  return candidates === undefined ? undefined : { candidate_labels: candidates };
}

/** The same of zero-shot classification; the labels to choose from are `candidate_labels` of the row or a parameter. */
export const evaluateZeroShot: TaskEvaluation<string, LabelOutcome> = {
  ...ofLabels,
  example: (row) => {
    const parameters = candidatesOf(row);
    const inputs = inputOfRow('zero-shot-classification', row);
    return { inputs, expected: textField(row, 'label'), ...(parameters === undefined ? {} : { parameters }) };
  },
  outcome: (expected, output) => {
    const { labels, scores } = output as ZeroShotAnswer;
    requireKnown(expected, labels);
    return { expected, given: labels[0] ?? '', score: scores[0] ?? 0 };
  },
};

/** At which place, from 0, the right token was proposed; negative if it was not. */
interface MaskOutcome {
  readonly place: number;
}

const isFirst = ({ place }: MaskOutcome): boolean => place === 0;

/** How often the right token of `text` (one mask) and `label` is proposed first, or at all. */
export const evaluateFillMask: TaskEvaluation<string, MaskOutcome> = {
  figure: 'accuracy',
  example: (row) => ({ inputs: inputOfRow('fill-mask', row), expected: textField(row, 'label') }),
  outcome: (expected, output) => {
    if (Array.isArray((output as readonly unknown[])[0]))
      throw invalidInput('text', 'must hold one mask to be measured');
    const tokens = (output as readonly MaskProposal[]).map(({ token_str }) => token_str.trim());
    return { place: tokens.indexOf(expected.trim()) };
  },
  loss: ({ place }) => (place < 0 ? 1 : 1 - 1 / (place + 1)),
  measure: (outcomes) => {
    const share = (holds: (outcome: MaskOutcome) => boolean): number =>
      outcomes.length === 0 ? 0 : outcomes.filter(holds).length / outcomes.length;
    return { figures: { accuracy: share(isFirst), proposed: share(({ place }) => place >= 0) } };
  },
  compare: (first, second) => byRightness('accuracy', first.map(isFirst), second.map(isFirst)),
};
