import type { DeriveTensor, TensorInfo } from '../core/index.js';
import type { Operator } from './onnx/nodes.js';

/** Options of `planSession`. */
export interface PlanOptions {
  /** Keeps tensors that are made from others, such as those that an adapter changes. Absent: they go into the graph. */
  readonly derive?: DeriveTensor;
  /** Told of each operator of an ONNX file whose domain the runtime does not know. @defaultValue refuses the file */
  readonly onCustomOperator?: (operator: Operator) => void;
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
}
