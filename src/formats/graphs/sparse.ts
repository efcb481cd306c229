import type { TensorInfo } from '../../core/index.js';
import type { ModelWriter } from '../onnx/model-writer.js';
import type { SpladePooling } from '../splade-pooling.js';
import { maskOf } from './frame.js';

/** The task whose graphs end so. */
export const SPARSE_TASK = 'sparse-embeddings';

/** The graph's output for sparse vectors: float32 [batch, vocabulary]. */
export const SPARSE_OUTPUT = 'sparse_embedding';

/**
 * log(1 + x) for x of at least 0, as exact as float32 is for small x too: x · log(u) / (u - 1) with u = 1 + x, where the
 * roundings of u cancel out (Kahan; Goldberg, "What Every Computer Scientist Should Know About Floating-Point Arithmetic",
 * theorem 4).
 */
function logarithmOfOneMore(writer: ModelWriter, x: string): string {
  const above = writer.node('Add', [x, writer.float(1)]);
  const rounded = writer.node('Sub', [above, writer.float(1)]);
  const none = writer.node('Equal', [rounded, writer.float(0)]);
  const quotient = writer.node('Div', [writer.node('Log', [above]), rounded]);
  return writer.node('Where', [none, x, writer.node('Mul', [x, quotient])]);
}

function activated(writer: ModelWriter, scores: string, { logarithms }: SpladePooling): string {
  let active = writer.node('Relu', [scores]);
  for (let at = 0; at < logarithms; at++) active = logarithmOfOneMore(writer, active);
  return active;
}

/** The activation grows with its argument, so that it need not be computed for every token. */
function largestOf(writer: ModelWriter, masked: string, pooling: SpladePooling): string {
  return activated(writer, writer.node('ReduceMax', [masked, writer.ints([1])], { keepdims: { int: 0 } }), pooling);
}

/**
 * The last of the running sums: they go from token to token, whatever else is in the batch. The runtime sums up a whole
 * dimension in another order where the batch has one text alone.
 */
function sumOf(writer: ModelWriter, masked: string, pooling: SpladePooling): string {
  const sums = writer.node('CumSum', [activated(writer, masked, pooling), writer.int(1)]);
  return writer.node('Gather', [sums, writer.int(-1)], { axis: { int: 1 } });
}

/**
 * One sparse vector a text of a masked language model's scores: log(1 + relu) of each, the largest or the sum over the
 * tokens (SPLADE; Formal, Piwowarski and Clinchant 2021). The scores of all tokens stay in the graph: they are the
 * vocabulary's size times the text's length.
 *
 * @param logits the value that holds them, float32 [batch, sequence, vocabulary]
 */
export function poolSparsely(
  writer: ModelWriter,
  { name: logits, dims }: TensorInfo,
  pooling: SpladePooling,
): readonly TensorInfo[] {
  const mask = writer.node('Unsqueeze', [maskOf(writer), writer.ints([2])]);
  // A place that is masked scores 0, which is the least that is left of any score.
  const masked = writer.node('Mul', [logits, mask]);
  const pooled = pooling.strategy === 'max' ? largestOf(writer, masked, pooling) : sumOf(writer, masked, pooling);
  writer.node('Identity', [pooled], {}, SPARSE_OUTPUT);
  return [{ name: SPARSE_OUTPUT, type: 'float32', dims: [-1, dims.at(-1) ?? -1] }];
}
