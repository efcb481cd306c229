import { ModelkeepError } from '../../core/index.js';

/**
 * Checks that two lists belong together.
 *
 * @throws ModelkeepError `INVALID_INPUT` if they differ in length
 */
export function requireSameLength(a: readonly unknown[], b: readonly unknown[]): void {
  if (a.length === b.length) return;
  throw new ModelkeepError(
    'INVALID_INPUT',
    `${a.length} expected values, but ${b.length} predictions; give one for each`,
  );
}

/** What McNemar's test finds. */
export interface McNemarResult {
  /** Examples that only the first model got right. */
  readonly onlyFirst: number;
  /** Examples that only the second model got right. */
  readonly onlySecond: number;
  /** Two-sided probability of a difference this large if the models were equally good. */
  readonly pValue: number;
}

/**
 * McNemar's test in its exact form (McNemar 1947; binomial as in Dietterich 1998): of n examples on which exactly one
 * model is right, the number k of the rarer kind is binomial with p = 1/2, so
 * `p = min(1, 2 * sum_{i<=k} C(n, i) / 2^n)`.
 *
 * @param first whether the first model got each example right
 * @param second the same of the second model
 * @throws ModelkeepError `INVALID_INPUT` if the lists differ in length
 */
export function mcNemar(first: readonly boolean[], second: readonly boolean[]): McNemarResult {
  requireSameLength(first, second);
  let onlyFirst = 0;
  let onlySecond = 0;
  first.forEach((right, i) => {
    if (right && !second[i]) onlyFirst++;
    if (!right && second[i]) onlySecond++;
  });
  const n = onlyFirst + onlySecond;
  // In logarithms, since C(n, i) and 2^n leave float64 beyond n = 1000.
  let logTerm = -n * Math.LN2;
  let tail = 0;
  for (let i = 0; i <= Math.min(onlyFirst, onlySecond); i++) {
    tail += Math.exp(logTerm);
    logTerm += Math.log(n - i) - Math.log(i + 1);
  }
  return { onlyFirst, onlySecond, pValue: Math.min(1, 2 * tail) };
}

/** Options of {@link pairedBootstrap}. */
export interface BootstrapOptions {
  /** @defaultValue 10000 */
  readonly samples?: number;
  /** Seed of the resampling: the same seed gives the same result. @defaultValue 1 */
  readonly seed?: number;
}

/** What the paired bootstrap finds. */
export interface BootstrapResult {
  /** Mean of the second scores minus mean of the first. */
  readonly difference: number;
  /** 2.5 and 97.5 percent points of the resampled differences. */
  readonly interval: readonly [number, number];
  /** Two-sided probability: twice the smaller share of resampled differences at or beyond 0, at most 1. */
  readonly pValue: number;
}

/** Uniform numbers in [0, 1): mulberry32 (Tommy Ettinger, public domain), 32 bits of state. */
function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** The value of a metric over a sample of examples, given by their places; an example may occur several times. */
export type Statistic = (sample: Uint32Array) => number;

/**
 * Paired bootstrap of the difference of a metric that two models have (Efron and Tibshirani 1993, ch. 13; percentile
 * interval): examples are drawn with replacement, the same for both models. The p-value counts with one added sample,
 * so it is never 0 (Davison and Hinkley 1997, 4.11).
 *
 * @param size number of examples
 * @param first the metric of the first model over a sample
 * @param second the same of the second model
 * @throws ModelkeepError `INVALID_INPUT` if there are no examples
 */
export function pairedBootstrapOf(
  size: number,
  first: Statistic,
  second: Statistic,
  { samples = 10_000, seed = 1 }: BootstrapOptions = {},
): BootstrapResult {
  if (size === 0) throw new ModelkeepError('INVALID_INPUT', 'There are 0 examples to compare; give at least one');
  const random = randomFrom(seed);
  const differences = new Float64Array(samples);
  const drawn = Uint32Array.from({ length: size }, (_, i) => i);
  const difference = second(drawn) - first(drawn);
  for (let sample = 0; sample < samples; sample++) {
    for (let i = 0; i < size; i++) drawn[i] = Math.floor(random() * size);
    differences[sample] = second(drawn) - first(drawn);
  }
  differences.sort();
  const at = (share: number): number => differences[Math.min(samples - 1, Math.floor(share * samples))] ?? 0;
  const below = differences.reduce((count, each) => count + (each <= 0 ? 1 : 0), 0);
  const above = differences.reduce((count, each) => count + (each >= 0 ? 1 : 0), 0);
  return {
    difference,
    interval: [at(0.025), at(0.975)],
    pValue: Math.min(1, (2 * (Math.min(below, above) + 1)) / (samples + 1)),
  };
}

/** Mean of the scores of a sample. */
export function meanOf(scores: readonly number[]): Statistic {
  return (sample) => {
    let sum = 0;
    for (const place of sample) sum += scores[place] ?? 0;
    return sum / sample.length;
  };
}

/**
 * {@link pairedBootstrapOf} of the mean.
 *
 * @param first scores of the examples by the first model
 * @param second the same of the second model
 * @throws ModelkeepError `INVALID_INPUT` if the lists differ in length or are empty
 */
export function pairedBootstrap(
  first: readonly number[],
  second: readonly number[],
  options: BootstrapOptions = {},
): BootstrapResult {
  requireSameLength(first, second);
  return pairedBootstrapOf(first.length, meanOf(first), meanOf(second), options);
}
