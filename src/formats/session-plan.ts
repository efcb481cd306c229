import type { DerivedTensor, DeriveTensor, Digest, FileSpan, Precision, TensorInfo } from '../core/index.js';
import type { FloatDtype } from './float-tensor.js';
import type { Activation } from './onnx/activations.js';
import type { Operator } from './onnx/nodes.js';
import type { WeightBits } from './quantize/quantize.js';

/** Options of `planSession`. */
export interface PlanOptions {
  /**
   * The task that the version is for (`manifest.task`): it decides which of a checkpoint's heads the graph has. Absent: the
   * graph of a version that takes tensors only.
   */
  readonly task?: string | undefined;
  /** Other than `fp32`: only of checkpoints, and only with `derive`. @defaultValue 'fp32' */
  readonly precision?: Precision;
  /** Bits of a quantized weight. @defaultValue 8 */
  readonly weightBits?: WeightBits;
  /**
   * Keeps tensors that are made from others: quantized ones, and those that an adapter changes. Absent: the latter go
   * into the graph.
   */
  readonly derive?: DeriveTensor | undefined;
  /**
   * Bytes from which a table of words is left to whoever runs the graph, where it can be read row by row (see
   * `SessionPlan.words`). @defaultValue Infinity: the graph looks words up
   */
  readonly wordsApart?: number | undefined;
  /**
   * Compares tensors that config.json ties to each other and the checkpoint holds twice, which reads both: to be done once,
   * at publish. @defaultValue false
   */
  readonly checkTies?: boolean | undefined;
  /** Told of each operator of an ONNX file whose domain the runtime does not know. @defaultValue refuses the file */
  readonly onCustomOperator?: ((operator: Operator) => void) | undefined;
}

/** The graph's input for the rows of the table of words, where it does not look them up itself. */
export const WORD_ROWS = 'word_rows';

/** A table of words and where it lies: row-major [rows, columns] in one piece of one file. */
export interface WordTable extends FileSpan {
  readonly rows: number;
  readonly columns: number;
  /** `I8`: codes, each to be multiplied by the scale of its row. */
  readonly dtype: FloatDtype | 'I8';
  /** Of `I8`: where the rows' scales, float32 [rows], begin in the file. */
  readonly scalesOffset?: number;
}

/** What was understood of a checkpoint, for the report of a push. */
export interface PlanFacts {
  /** Family by `model_type` of config.json, such as `bert`. */
  readonly family: string;
  /** What the graph ends with, such as `ForSequenceClassification`; `Model` for the plain encoder. */
  readonly head: string;
  /** Names of tensors of the checkpoint that have no part in the answers. */
  readonly leftOut: readonly string[];
  /** What was taken for what and what was left out, as sentences for whoever publishes. */
  readonly notes: readonly string[];
}

/**
 * Everything an onnxruntime session is made from: the graph as bytes, whose large initializers are ONNX external data
 * with plain file names in one folder, so that the runtime maps those files instead of copying them.
 */
export interface SessionPlan {
  /** A serialized ONNX ModelProto; deterministic for the same contents. */
  readonly graph: Uint8Array;
  /** Absolute folder of the external data; absent if the graph has none. */
  readonly externalDataFolder?: string;
  readonly inputs: readonly TensorInfo[];
  readonly outputs: readonly TensorInfo[];
  /**
   * What stands in `attention_mask` for places that only fill a sequence up, so that the graph does not compute them;
   * absent where it computes whatever it is given. Their outputs mean nothing.
   */
  readonly filling?: number;
  /**
   * The graph has the further input {@link WORD_ROWS}, float32 [computed places, columns]: the rows of this table that
   * `input_ids` names, in order, without the places that only fill up. Absent where the graph looks them up itself.
   */
  readonly words?: WordTable;
  /**
   * True for a graph in which what is computed of one row depends on the others, as its own quantization at run time makes
   * it: one sequence must run alone.
   */
  readonly mixesRows?: boolean | undefined;
  /** By name of output, what the graph puts it through at its very end; absent for a checkpoint, whose graph gives logits. */
  readonly activations?: ReadonlyMap<string, Activation> | undefined;
  /** Absent for an ONNX file. */
  readonly facts?: PlanFacts | undefined;
  /** Tensors of the graph that were made on this machine; empty in `fp32`. */
  readonly derived: readonly DerivedTensor[];
  /** Files that these were made from and that the graph itself does not point at: nothing maps them. */
  readonly replaced: readonly Digest[];
}
