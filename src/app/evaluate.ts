import { asModelkeepError, ModelkeepError, type Abortable, type VersionRecord, versionName } from '../core/index.js';
import { evaluationOf, type DataRow, type EvaluationMetrics, type PairedTest } from '../tasks/index.js';
import type { Model } from './model.js';

/** Examples that are asked again one at a time, to measure how long a lone request takes. */
const LATENCY_EXAMPLES = 100;

/** Options of {@link evaluate}. */
export interface EvaluateOptions extends Abortable {
  /** Examples to take, from the first. @defaultValue all */
  readonly limit?: number;
  /** The task's options for every request, such as the `candidate_labels` of zero-shot classification. */
  readonly parameters?: Readonly<Record<string, unknown>>;
  /** Requests under way at once. @defaultValue 64 */
  readonly inFlight?: number;
  /** Called after each example with the number of those that are done. */
  readonly onProgress?: (examples: number) => void;
}

/** What a version achieved on labelled data. */
export interface Evaluation extends EvaluationMetrics {
  readonly record: VersionRecord;
  readonly task: string;
  readonly examples: number;
  /** How long one request takes alone, over the first 100 examples, in ms. */
  readonly latencyMs: { readonly p50: number; readonly p95: number };
  /** Examples a second, with many under way. */
  readonly throughputPerSecond: number;
  /** What is kept of each example, in order, for {@link compareEvaluations}. */
  readonly outcomes: readonly unknown[];
}

/**
 * Runs labelled examples through a version and measures its answers as its task is measured.
 *
 * @param rows examples with the fields of the task and the right answer: `text` and `label`; `question`, `context` and
 * `answers`; `tokens` and `tags`, or `text` and `entities`; `sentence1`, `sentence2` and `score`; `query`, `texts` and
 * `relevant`
 * @throws ModelkeepError `INVALID_INPUT` naming the example and the field, for no examples at all, and for a task that
 * has no right answers; what asking the version says
 *
 * @example
 * ```ts
 * const { figures } = await evaluate(await keep.load('sentiment:2'), rows);
 * console.log(figures.accuracy);
 * ```
 */
export async function evaluate(
  model: Model,
  rows: AsyncIterable<DataRow> | Iterable<DataRow>,
  options: EvaluateOptions = {},
): Promise<Evaluation> {
  const { onProgress, inFlight, signal } = options;
  const evaluation = evaluationOf(model.task);
  const parameters = { ...evaluation.parameters, ...options.parameters };
  const asking = { parameters, ...(signal === undefined ? {} : { signal }) };
  const outcomes: unknown[] = [];
  const again: { readonly inputs: unknown; readonly parameters?: Readonly<Record<string, unknown>> }[] = [];
  const startedMs = performance.now();
  try {
    const answers = model.predictMany(examplesOf(evaluation, rows, options.limit), {
      ...asking,
      ...(inFlight === undefined ? {} : { inFlight }),
    });
    for await (const { request, output } of answers) {
      outcomes.push(evaluation.outcome(request.expected, output));
      if (again.length < LATENCY_EXAMPLES) again.push(request);
      onProgress?.(outcomes.length);
    }
  } catch (thrown) {
    throw atExample(thrown, outcomes.length + 1);
  }
  const seconds = (performance.now() - startedMs) / 1_000;
  if (outcomes.length === 0) throw new ModelkeepError('INVALID_INPUT', 'There are 0 examples: give at least one');
  return {
    record: model.record,
    task: model.task ?? '',
    examples: outcomes.length,
    ...evaluation.measure(outcomes),
    latencyMs: await measureLatency(model, again, asking),
    throughputPerSecond: outcomes.length / seconds,
    outcomes,
  };
}

async function* examplesOf(
  evaluation: ReturnType<typeof evaluationOf>,
  rows: AsyncIterable<DataRow> | Iterable<DataRow>,
  limit = Number.POSITIVE_INFINITY,
) {
  let taken = 0;
  if (limit <= 0) return;
  for await (const row of rows) {
    taken += 1;
    try {
      yield evaluation.example(row);
    } catch (thrown) {
      throw atExample(thrown, taken);
    }
    if (taken >= limit) return;
  }
}

/** Names the example in an error that is the data's. */
function atExample(thrown: unknown, place: number): unknown {
  const error = asModelkeepError(thrown);
  if (error.code !== 'INVALID_INPUT' || error.details['example'] !== undefined) return thrown;
  const message = `Example ${place}: ${error.message}`;
  return new ModelkeepError(error.code, message, { cause: thrown, details: { ...error.details, example: place } });
}

async function measureLatency(
  model: Model,
  examples: readonly { readonly inputs: unknown; readonly parameters?: Readonly<Record<string, unknown>> }[],
  asking: { readonly parameters: Readonly<Record<string, unknown>>; readonly signal?: AbortSignal },
): Promise<Evaluation['latencyMs']> {
  const timesMs: number[] = [];
  for (const { inputs, parameters } of examples) {
    const startedMs = performance.now();
    await model.predict(inputs, { ...asking, parameters: { ...asking.parameters, ...parameters } });
    timesMs.push(performance.now() - startedMs);
  }
  timesMs.sort((a, b) => a - b);
  return { p50: percentile(timesMs, 0.5), p95: percentile(timesMs, 0.95) };
}

/** The value at or below which a share of sorted values lies (nearest rank). */
function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}

/** Two versions on the same examples. */
export interface Comparison extends PairedTest {
  /** What it means, in a sentence for people. */
  readonly conclusion: string;
}

/**
 * Says whether two versions really differ, by a paired test over the examples that both were asked: McNemar's for right
 * and wrong, the paired bootstrap for other figures.
 *
 * @throws ModelkeepError `INVALID_INPUT` if they were asked other examples, or do other tasks
 */
export function compareEvaluations(first: Evaluation, second: Evaluation): Comparison {
  const names = [versionName(first.record), versionName(second.record)] as const;
  if (first.task !== second.task) {
    throw new ModelkeepError(
      'INVALID_INPUT',
      `${names[0]} does ${first.task} and ${names[1]} ${second.task}: compare versions of one task`,
    );
  }
  const compared = evaluationOf(first.task).compare(first.outcomes, second.outcomes);
  return { ...compared, conclusion: conclude(names, compared) };
}

function conclude([first, second]: readonly [string, string], test: PairedTest): string {
  const { figure, difference, pValue, significant } = test;
  const p = pValue < 0.001 ? 'p < 0.001' : `p = ${pValue.toFixed(3)}`;
  if (difference === 0) return `${second} and ${first} have the same ${figure} (${test.test}, ${p}).`;
  const change = `${difference > 0 ? '+' : '−'}${Math.abs(difference).toFixed(3)} in ${figure}`;
  return significant
    ? `${second} is significantly ${difference > 0 ? 'better' : 'worse'} than ${first}: ${change} (${test.test}, ${p}).`
    : `The difference between ${second} and ${first} is not significant: ${change} may be chance (${test.test}, ${p}).`;
}
