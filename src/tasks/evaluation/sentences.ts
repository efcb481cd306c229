import { invalidInput, kindOf } from '../input.js';
import { meanOf, pairedBootstrap, pairedBootstrapOf, requireSameLength, type Statistic } from '../metrics/paired.js';
import { spearman } from '../metrics/spearman.js';
import { cosine } from '../similarity.js';
import { inputOfRow, type DataRow } from '../rows.js';
import type { TokenWeight } from '../sparse-embeddings.js';
import type { RankedText } from '../text-ranking.js';
import { byBootstrap, everyPlace, numberField, take, textField, type TaskEvaluation } from './evaluation.js';

/** Ranking a sample is costly, and 2,000 samples place a 5 % limit within half a percent. */
const CORRELATION_SAMPLES = 2_000;

interface ScoreOutcome {
  readonly expected: number;
  readonly given: number;
}

const correlation =
  (outcomes: readonly ScoreOutcome[]): Statistic =>
  (sample) => {
    const drawn = take(outcomes, sample);
    const rho = spearman(
      drawn.map(({ expected }) => expected),
      drawn.map(({ given }) => given),
    );
    // A sample of one value only has no order: it says nothing for either version.
    return Number.isNaN(rho) ? 0 : rho;
  };

const ofScores: Pick<TaskEvaluation<number, ScoreOutcome>, 'figure' | 'loss' | 'measure' | 'compare'> = {
  figure: 'spearman',
  loss: ({ expected, given }) => Math.abs(expected - given),
  measure: (outcomes) => ({ figures: { spearman: correlation(outcomes)(everyPlace(outcomes)) } }),
  compare: (first, second) => {
    requireSameLength(first, second);
    const options = { samples: CORRELATION_SAMPLES };
    return byBootstrap('spearman', pairedBootstrapOf(first.length, correlation(first), correlation(second), options));
  },
};

/** Spearman's correlation of the cosine of `sentence1` and `sentence2` with `score`. */
export const evaluateSimilarity: TaskEvaluation<number, ScoreOutcome> = {
  ...ofScores,
  example: (row) => ({
    inputs: { source_sentence: textField(row, 'sentence1'), sentences: [textField(row, 'sentence2')] },
    expected: numberField(row, 'score'),
  }),
  outcome: (expected, output) => ({ expected, given: (output as readonly number[])[0] ?? 0 }),
};

/** The same of a model that gives vectors. */
export const evaluateEmbeddings: TaskEvaluation<number, ScoreOutcome> = {
  ...ofScores,
  example: (row) => ({
    inputs: [textField(row, 'sentence1'), textField(row, 'sentence2')],
    expected: numberField(row, 'score'),
  }),
  outcome: (expected, output) => {
    const [first = [], second = []] = output as readonly (readonly number[])[];
    return { expected, given: cosine(first, second) };
  },
};

/** The same of a model that gives sparse vectors, which are compared by their product. */
export const evaluateSparse: TaskEvaluation<number, ScoreOutcome> = {
  ...evaluateEmbeddings,
  outcome: (expected, output) => {
    const [first = [], second = []] = output as readonly (readonly TokenWeight[])[];
    const weights = new Map(second.map(({ index, value }) => [index, value]));
    return { expected, given: first.reduce((sum, { index, value }) => sum + value * (weights.get(index) ?? 0), 0) };
  },
};

/** Places of the texts that answer the query: `relevant`, one place or several, from 0. */
function relevantOf(row: DataRow): readonly number[] {
  const value = row['relevant'];
  const places: readonly unknown[] = Array.isArray(value) ? value : [value];
  return places.map((place) => {
    if (typeof place !== 'number' || !Number.isInteger(place) || place < 0) {
      throw invalidInput('relevant', `must be the place of a text in texts, from 0, not ${kindOf(place)}`);
    }
    return place;
  });
}

/** Mean reciprocal rank of the first right text (Voorhees 1999), of `query`, `texts`, `relevant`. */
export const evaluateRanking: TaskEvaluation<readonly number[], number> = {
  figure: 'mrr',
  example: (row) => ({ inputs: inputOfRow('text-ranking', row), expected: relevantOf(row) }),
  outcome: (expected, output) => {
    const place = (output as readonly RankedText[]).findIndex(({ index }) => expected.includes(index));
    return place < 0 ? 0 : 1 / (place + 1);
  },
  loss: (reciprocalRank) => 1 - reciprocalRank,
  measure: (outcomes) => ({ figures: { mrr: meanOf(outcomes)(everyPlace(outcomes)) } }),
  compare: (first, second) => byBootstrap('mrr', pairedBootstrap(first, second)),
};
