import type { StaticModel } from '../formats/index.js';

/** True for a model whose vectors are half floats, as model2vec gives them for a table of half floats. */
export function givesHalves({ library, table }: StaticModel): boolean {
  return library === 'model2vec' && table.dtype === 'F16';
}

/** Exponent of the smallest half float with a whole fraction. */
const LEAST_EXPONENT = -14;
/** Largest half float. */
const LARGEST = 65_504;

/**
 * The half float (IEEE 754 binary16: 5 bits of exponent, 10 of fraction) next to a number; of two as near the even one.
 */
export function nearestHalf(value: number): number {
  if (value === 0 || !Number.isFinite(value)) return value;
  const exponent = Math.max(Math.floor(Math.log2(Math.abs(value))), LEAST_EXPONENT);
  const step = 2 ** (exponent - 10);
  const steps = value / step;
  const below = Math.floor(steps);
  const rest = steps - below;
  const nearest = rest > 0.5 || (rest === 0.5 && below % 2 !== 0) ? below + 1 : below;
  const rounded = nearest * step;
  return Math.abs(rounded) > LARGEST ? Math.sign(value) * Number.POSITIVE_INFINITY : rounded;
}
