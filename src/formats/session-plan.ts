import type { TensorInfo } from '../core/index.js';

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
