import type { Tensor } from '../core/index.js';
import type { Answered } from './queue.js';

/** Difference of a number below which two answers are the same. */
const TOLERANCE = 0.001;
/** How sure a model is differs between any two versions: what it says is compared. */
const CERTAINTY: ReadonlySet<string> = new Set(['score', 'scores', 'logit', 'logits']);

/** True if two answers to one request say the same: labels, texts and places; numbers within 0.001, scores left out. */
export function agree(first: Answered, second: Answered): boolean {
  const { tensors: one } = first;
  if (one === undefined) return sayTheSame(first.output, second.output);
  const other = second.tensors ?? {};
  const names = Object.keys(one);
  return (
    names.length === Object.keys(other).length &&
    names.every((name) => {
      const [a, b] = [one[name], other[name]];
      return a !== undefined && b !== undefined && sameTensor(a, b);
    })
  );
}

function sayTheSame(a: unknown, b: unknown): boolean {
  if (typeof a === 'number' && typeof b === 'number') return Object.is(a, b) || Math.abs(a - b) <= TOLERANCE;
  if (Array.isArray(a) && Array.isArray(b)) {
    const others: readonly unknown[] = b;
    return a.length === others.length && a.every((each, at) => sayTheSame(each, others[at]));
  }
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return a === b;
  const [one, other] = [a as Readonly<Record<string, unknown>>, b as Readonly<Record<string, unknown>>];
  const names = [...new Set([...Object.keys(one), ...Object.keys(other)])].filter((name) => !CERTAINTY.has(name));
  return names.every((name) => sayTheSame(one[name], other[name]));
}

function sameTensor(a: Tensor, b: Tensor): boolean {
  if (a.type !== b.type || a.dims.join() !== b.dims.join() || a.data.length !== b.data.length) return false;
  for (let at = 0; at < a.data.length; at += 1) if (!sayTheSame(a.data[at], b.data[at])) return false;
  return true;
}
