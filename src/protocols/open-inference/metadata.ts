import type { TensorInfo } from '../../core/index.js';
import type { ModelDescription } from '../../serving/index.js';
import { TASKS, tasksServedWith } from '../../tasks/index.js';
import { datatypeOf } from './datatypes.js';
import { textInputsOf } from './text-inputs.js';

/** The output of text models: each answer as JSON. */
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

/** What runs a model, and what it was published as, in the protocol's form `<runtime>_<format>`. */
const PLATFORMS: Readonly<Record<string, string>> = {
  hf: 'onnxruntime_safetensors',
  onnx: 'onnxruntime_onnx',
  joblib: 'sklearn_joblib',
};

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
    /** Tasks that a request may ask for by the parameter `task`, the model's own first. */
    readonly tasks: readonly string[];
    /** Options of the task, which a request gives as its parameters. */
    readonly options: readonly string[];
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
    platform: PLATFORMS[record.format ?? ''] ?? 'unknown',
  };
  const tensors = { inputs: inputs.map(describe), outputs: outputs.map(describe) };
  if (task === undefined) return { ...common, ...tensors };
  return {
    ...common,
    inputs: textInputsOf(task).map(describe),
    outputs: [describe(TEXT_OUTPUT)],
    parameters: {
      task,
      tasks: tasksServedWith(task),
      options: optionsOf(task),
      tensor_inputs: tensors.inputs,
      tensor_outputs: tensors.outputs,
    },
  };
}

function optionsOf(task: string): readonly string[] {
  return Object.keys(TASKS.get(task)?.parameters.shape ?? {});
}
