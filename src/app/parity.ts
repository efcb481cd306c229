import type { Tensor } from '../core/index.js';

/** A model's outputs by name. */
export type OutputTensors = Readonly<Record<string, Tensor>>;

/** Outputs that choose among labels along their last axis. */
const CHOOSING = new Set(['logits', 'start_logits', 'end_logits']);

/** All numbers of an answer, or of a model's outputs, in order. */
export function vectorOf(value: unknown): readonly number[] {
  if (typeof value === 'number') return [value];
  if (Array.isArray(value)) return value.flatMap(vectorOf);
  if (ArrayBuffer.isView(value)) return Array.from(value as Float32Array);
  if (typeof value !== 'object' || value === null) return [];
  const { data } = value as Partial<Tensor>;
  return data === undefined ? Object.values(value).flatMap(vectorOf) : vectorOf(data);
}

/** The place of the best label for each text or token of outputs that choose one; nothing where there is no choice. */
export function decisionsOf(outputs: OutputTensors): readonly number[] {
  return Object.entries(outputs).flatMap(([name, { dims, data }]) => {
    const labels = dims.at(-1) ?? 0;
    if (!CHOOSING.has(name) || labels < 2 || !(data instanceof Float32Array)) return [];
    return Array.from({ length: data.length / labels }, (_, row) => {
      const scores = data.subarray(row * labels, (row + 1) * labels);
      return scores.indexOf(Math.max(...scores));
    });
  });
}

function dot(x: readonly number[], y: readonly number[]): number {
  return x.reduce((sum, value, at) => sum + value * (y[at] ?? Number.NaN), 0);
}

/** The cosine of the angle between two vectors; 1 for two without direction. */
export function cosineOf(a: readonly number[], b: readonly number[]): number {
  const lengths = Math.sqrt(dot(a, a) * dot(b, b));
  return lengths === 0 ? 1 : dot(a, b) / lengths;
}

/** What is learnt of two sets of answers. */
export interface Agreement {
  readonly cosine: { readonly mean: number; readonly min: number };
  readonly topLabel?: { readonly agreement: number; readonly decisions: number };
}

/** Takes pairs of answers and says how near they are. */
export function agreementOf(): {
  add(a: readonly number[], b: readonly number[], ofA: readonly number[], ofB: readonly number[]): void;
  finish(): Agreement;
} {
  let sum = 0;
  let min = Number.POSITIVE_INFINITY;
  let pairs = 0;
  let decisions = 0;
  let same = 0;
  return {
    add(a, b, ofA, ofB) {
      const cosine = cosineOf(a, b);
      sum += cosine;
      // What is no number stays: nothing is below it.
      if (Number.isNaN(cosine) || cosine < min) min = cosine;
      pairs += 1;
      decisions += ofA.length;
      same += ofA.filter((label, at) => label === ofB[at]).length;
    },
    finish: () => ({
      cosine: { mean: sum / pairs, min },
      ...(decisions === 0 ? {} : { topLabel: { agreement: same / decisions, decisions } }),
    }),
  };
}
