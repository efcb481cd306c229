import { ModelkeepError, versionName, type Abortable, type VersionRecord } from '../core/index.js';
import { answerCells, answerColumns, evaluationOf, type DataRow } from '../tasks/index.js';
import type { Model } from './model.js';

/** Smallest change of a score that is more than rounding. */
const SCORE_TOLERANCE = 1e-4;

/** An example that two versions answer differently. */
export interface ChangedAnswer {
  /** From 1, in the order of the data. */
  readonly example: number;
  readonly row: DataRow;
  /** The best answer of each, by column: `{label, score}`. */
  readonly first: Readonly<Record<string, unknown>>;
  readonly second: Readonly<Record<string, unknown>>;
  /** The task's figure of the first on this example less that of the second: above 0 the second is worse. */
  readonly drop: number;
}

/** What comparing answers gives. */
export interface ComparedAnswers {
  readonly examples: number;
  /** The worst first: right before and wrong now, then the other way round, then those that merely differ. */
  readonly changed: readonly ChangedAnswer[];
}

/**
 * Asks two versions of the same task the same labelled examples and gives those that they answer differently.
 *
 * @throws ModelkeepError `INVALID_INPUT` for versions of different tasks, and as `evaluate`
 */
export async function compareAnswers(
  first: Model,
  second: Model,
  rows: readonly DataRow[],
  { signal }: Abortable = {},
): Promise<ComparedAnswers> {
  const { task } = first;
  if (task !== second.task) {
    throw new ModelkeepError(
      'INVALID_INPUT',
      `${first.toString()} is for ${task ?? 'tensors'}, ${second.toString()} for ${second.task ?? 'tensors'}: their answers cannot be compared`,
    );
  }
  const evaluation = evaluationOf(task);
  const examples = rows.map((row) => evaluation.example(row));
  const asking = {
    ...(evaluation.parameters === undefined ? {} : { parameters: evaluation.parameters }),
    ...(signal === undefined ? {} : { signal }),
  };
  const outputs = async (model: Model): Promise<unknown[]> => {
    const all: unknown[] = [];
    for await (const { output } of model.predictMany(examples, asking)) all.push(output);
    return all;
  };
  const [before, after] = [await outputs(first), await outputs(second)];
  const figureOf = (index: number, output: unknown): number => {
    const outcome = evaluation.outcome(examples[index]?.expected, output);
    const figure = evaluation.measure([outcome]).figures[evaluation.figure];
    // A correlation of one example is none.
    return figure === undefined || Number.isNaN(figure) ? 0 : figure;
  };
  const changed = rows.flatMap((row, index): ChangedAnswer[] => {
    const [one, two] = [bestOf(task, before[index]), bestOf(task, after[index])];
    const drop = figureOf(index, before[index]) - figureOf(index, after[index]);
    return drop === 0 && isSame(one, two) ? [] : [{ example: index + 1, row, first: one, second: two, drop }];
  });
  return { examples: rows.length, changed: changed.toSorted((a, b) => rank(b) - rank(a)) };
}

/** What {@link compareVersions} takes behind the node. */
export type ComparedVersions = [
  first: VersionRecord,
  second: VersionRecord,
  examples: readonly DataRow[],
  options?: Abortable,
];

/**
 * Asks two versions of a node the same labelled examples, one version after the other.
 *
 * @throws ModelkeepError as {@link compareAnswers}, and what loading says
 */
export async function compareVersions(
  keep: { load(reference: string, options: Abortable): Promise<Model> },
  ...[first, second, rows, options = {}]: ComparedVersions
): Promise<ComparedAnswers> {
  const models = [await keep.load(versionName(first), options), await keep.load(versionName(second), options)] as const;
  return compareAnswers(...models, rows, options);
}

/** Worse answers first, then better ones, then others. */
function rank({ drop }: ChangedAnswer): number {
  return drop > 0 ? 2 + drop : drop < 0 ? 1 - drop : 0;
}

function bestOf(task: string | undefined, output: unknown): Record<string, unknown> {
  const cells = answerCells(task, output, false);
  return Object.fromEntries(answerColumns(task, false).map((name, index) => [name, cells[index]]));
}

/** The same words; scores may move, as long as nothing but scores is answered they must not. */
function isSame(one: Readonly<Record<string, unknown>>, two: Readonly<Record<string, unknown>>): boolean {
  const words = Object.keys(one).filter((name) => typeof one[name] !== 'number');
  if (words.length > 0) return words.every((name) => JSON.stringify(one[name]) === JSON.stringify(two[name]));
  return Object.keys(one).every((name) => Math.abs(Number(one[name]) - Number(two[name])) <= SCORE_TOLERANCE);
}
