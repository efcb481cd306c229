import { invalidInput, kindOf } from '../input.js';
import { mcNemar, type BootstrapResult } from '../metrics/paired.js';
import type { DataRow } from '../rows.js';

/** An example of labelled data: what to ask, and the right answer in the task's own form. */
export interface LabelledExample<Expected = unknown> {
  readonly inputs: unknown;
  readonly parameters?: Readonly<Record<string, unknown>>;
  readonly expected: Expected;
}

/** What a version achieves on labelled data. */
export interface EvaluationMetrics {
  /** The task's standard figures by name, such as `accuracy` and `macroF1`, 0 to 1 (`spearman` -1 to 1). */
  readonly figures: Readonly<Record<string, number>>;
  /** Precision, recall and F1 of each label, and the confusion, where the task has labels. */
  readonly report?: unknown;
}

/** Whether two versions really differ on the same examples. */
export interface PairedTest {
  readonly test: 'McNemar' | 'paired bootstrap';
  /** The figure that is compared. */
  readonly figure: string;
  /** The second version's figure minus the first's. */
  readonly difference: number;
  /** Two-sided probability of such a difference if the versions were equally good. */
  readonly pValue: number;
  /** True if `pValue` is below 0.05. */
  readonly significant: boolean;
  /** 95 % interval of the difference, by the bootstrap. */
  readonly interval?: readonly [number, number];
  /** Examples that only the first version answered rightly, by McNemar's test. */
  readonly onlyFirst?: number;
  /** Examples that only the second version answered rightly, by McNemar's test. */
  readonly onlySecond?: number;
}

/** How a task is measured. `Outcome` is what is kept of one example: small, and enough for figures and tests. */
export interface TaskEvaluation<Expected = unknown, Outcome = unknown> {
  /** The figure that decides between two versions. */
  readonly figure: string;
  /** Parameters that every request gets, unless the caller gives others. */
  readonly parameters?: Readonly<Record<string, unknown>>;
  /** Reads a row. @throws ModelkeepError `INVALID_INPUT` naming the field */
  example(row: DataRow): LabelledExample<Expected>;
  /** Compares an answer. @throws ModelkeepError `INVALID_INPUT` if the right answer is none that the model could give */
  outcome(expected: Expected, output: unknown): Outcome;
  /** How wrong an answer is, from 0 (right): to find the worst examples. */
  loss(outcome: Outcome): number;
  measure(outcomes: readonly Outcome[]): EvaluationMetrics;
  /** @throws ModelkeepError `INVALID_INPUT` if the lists differ in length or are empty */
  compare(first: readonly Outcome[], second: readonly Outcome[]): PairedTest;
}

/** Level below which a difference is called significant: the usual 5 % (Fisher 1925). */
export const SIGNIFICANCE_LEVEL = 0.05;

/** Compares two versions by which examples they got right. */
export function byRightness(figure: string, first: readonly boolean[], second: readonly boolean[]): PairedTest {
  const { onlyFirst, onlySecond, pValue } = mcNemar(first, second);
  const difference = first.length === 0 ? 0 : (onlySecond - onlyFirst) / first.length;
  return {
    test: 'McNemar',
    figure,
    difference,
    pValue,
    significant: pValue < SIGNIFICANCE_LEVEL,
    onlyFirst,
    onlySecond,
  };
}

/** Puts the result of a bootstrap in words. */
export function byBootstrap(figure: string, { difference, interval, pValue }: BootstrapResult): PairedTest {
  return { test: 'paired bootstrap', figure, difference, pValue, significant: pValue < SIGNIFICANCE_LEVEL, interval };
}

/** A field that must be a text. @throws ModelkeepError `INVALID_INPUT` */
export function textField(row: DataRow, field: string): string {
  const value = row[field];
  if (typeof value !== 'string') throw invalidInput(field, `must be a text, not ${kindOf(value)}`);
  return value;
}

/** A field that must be a number, or a text that is one. @throws ModelkeepError `INVALID_INPUT` */
export function numberField(row: DataRow, field: string): number {
  const value = row[field];
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
  if (typeof number !== 'number' || !Number.isFinite(number)) {
    throw invalidInput(field, `must be a number, not ${kindOf(value)}`);
  }
  return number;
}

/** Values by the places of a sample. */
export function take<T>(values: readonly T[], sample: Uint32Array): T[] {
  return Array.from(sample, (place) => values[place] as T);
}

/** Every place of a list, as a sample of all its examples. */
export function everyPlace(values: readonly unknown[]): Uint32Array {
  return Uint32Array.from(values, (_, place) => place);
}
