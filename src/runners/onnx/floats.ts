import type { Tensor as OrtTensor } from 'onnxruntime-node';
import { ModelkeepError } from '../../core/index.js';
import { widenFloats, type Activation } from '../../formats/index.js';

/**
 * The numbers of a tensor as float32: exactly for float16, rounded for float64.
 *
 * @throws ModelkeepError `LOAD_FAILED` for a tensor of other numbers
 */
export function toFloats({ type, data }: Pick<OrtTensor, 'type' | 'data'>): Float32Array {
  if (data instanceof Float32Array) return data;
  if (data instanceof Float64Array) return Float32Array.from(data);
  if (type === 'float16' && ArrayBuffer.isView(data)) {
    return widenFloats('F16', Buffer.from(data.buffer, data.byteOffset, data.byteLength));
  }
  throw new ModelkeepError('LOAD_FAILED', `The graph gives ${type} where numbers with fractions are read`);
}

/** Smallest score that is told apart from nothing: the logarithm of nothing is no number to count with. */
const SMALLEST = 1e-45;

/**
 * Logits that give these scores: the logarithm of what softmax gave (logits are known but for one number that all of a text
 * have in common, which changes no score), and log(p / (1 - p)) of what the sigmoid gave.
 */
export function toLogits(scores: Float32Array, activation: Activation): Float32Array {
  if (activation === 'softmax') return scores.map((score) => Math.log(Math.max(score, SMALLEST)));
  return scores.map((score) => Math.log(Math.max(score, SMALLEST)) - Math.log(Math.max(1 - score, 2 ** -24)));
}
