import { ModelkeepError } from './errors.js';
import type { Manifest } from './manifest.js';

/**
 * How a checkpoint's linear layers are computed:
 *
 * - `fp32`: as they were trained.
 * - `int8`: weights and activations in 8 bits, each token with a scale of its own, so that an answer does not depend on
 *   what else is in the batch.
 * - `int8-fast`: the same weights; the activations of a whole batch share one scale, so an answer depends on its neighbours.
 * - `int8-weights`: weights alone in 8 bits, 32 values to a scale.
 */
export const ARITHMETICS = Object.freeze(['fp32', 'int8', 'int8-fast', 'int8-weights'] as const);

/** One of {@link ARITHMETICS}. */
export type Arithmetic = (typeof ARITHMETICS)[number];

/** An arithmetic, and whether the table of words is kept in 8 bits too: a quarter of its memory. */
export type Precision = Arithmetic | `${Exclude<Arithmetic, 'fp32'>}+embeddings`;

/** All precisions, as `--precision` takes them. */
export const PRECISIONS: readonly Precision[] = Object.freeze([
  ...ARITHMETICS,
  'int8+embeddings',
  'int8-fast+embeddings',
  'int8-weights+embeddings',
]);

/** True if `value` is a {@link Precision}. */
export function isPrecision(value: unknown): value is Precision {
  return PRECISIONS.some((precision) => precision === value);
}

/** @throws ModelkeepError `INVALID_INPUT` naming the value and the precisions that there are */
export function checkPrecision(value: unknown): Precision {
  if (isPrecision(value)) return value;
  throw new ModelkeepError(
    'INVALID_INPUT',
    `Precision ${JSON.stringify(value)} is none of ${PRECISIONS.join(', ')}: choose one of them`,
  );
}

/** A precision, taken apart. */
export function partsOfPrecision(precision: Precision): {
  readonly arithmetic: Arithmetic;
  readonly embeddings: boolean;
} {
  const [arithmetic, embeddings] = precision.split('+') as [Arithmetic, string?];
  return { arithmetic, embeddings: embeddings !== undefined };
}

/** What a node was told: the precision that each version was published with, or one for all checkpoints. */
export type PrecisionSetting = 'as-published' | Precision;

/** The precision in which a node serves a version. Only checkpoints have a choice: other graphs run as they are. */
export function servedPrecision({ format, precision }: Manifest, setting: PrecisionSetting): Precision {
  if (format !== 'hf') return 'fp32';
  return setting === 'as-published' ? (precision ?? 'fp32') : setting;
}
