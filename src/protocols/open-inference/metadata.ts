import type { TensorInfo } from '../../core/index.js';
import type { ModelDescription } from '../../serving/index.js';
import { datatypeOf } from './datatypes.js';

/** Name of the input that text models take, and of the output that holds each answer as JSON. */
export const TEXT_INPUT: TensorInfo = { name: 'text', type: 'string', dims: [-1] };
export const TEXT_OUTPUT: TensorInfo = { name: 'output', type: 'string', dims: [-1] };

/** What the server can do beyond the protocol's core, by the names that its clients look for. */
export const EXTENSIONS: readonly string[] = Object.freeze(['binary_tensor_data', 'model_repository', 'parameters']);

/** What the protocol says of a tensor that a model takes or gives. */
export interface TensorMetadata {
  readonly name: string;
  readonly datatype: string;
  /** `-1` for a dimension that may vary. */
  readonly shape: readonly number[];
}

/** What the protocol says of a model. */
export interface ModelMetadata {
  readonly name: string;
  readonly versions: readonly string[];
  readonly platform: string;
  readonly inputs: readonly TensorMetadata[];
  readonly outputs: readonly TensorMetadata[];
  /** For a text model its task, and the raw tensors that it takes and gives when it is asked by them. */
  readonly parameters?: {
    readonly task: string;
    readonly tensor_inputs: readonly TensorMetadata[];
    readonly tensor_outputs: readonly TensorMetadata[];
  };
}

function describe({ name, type, dims }: TensorInfo): TensorMetadata {
  return { name, datatype: datatypeOf(type), shape: dims };
}

/** Describes a model; `versions` are the numbers that may be asked for. */
export function modelMetadata(
  { record, task, inputs, outputs }: ModelDescription,
  versions: readonly number[],
): ModelMetadata {
  const common = {
    name: record.model,
    versions: versions.map(String),
    platform: `modelkeep_${record.format ?? 'unknown'}`,
  };
  const tensors = { inputs: inputs.map(describe), outputs: outputs.map(describe) };
  if (task === undefined) return { ...common, ...tensors };
  return {
    ...common,
    inputs: [describe(TEXT_INPUT)],
    outputs: [describe(TEXT_OUTPUT)],
    parameters: { task, tensor_inputs: tensors.inputs, tensor_outputs: tensors.outputs },
  };
}
