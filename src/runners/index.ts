/**
 * runners/: the processes that hold models and run them. `frames` is the protocol, `runner` one process, `pool` a fixed
 * number of them; `onnx/` is what such a process does for ONNX graphs, `python/` for pickled models. No session ever lives in the node's process.
 */
export { encodeFrame, FrameReader, type Frame, type Tensors } from './frames.js';
export type * from './messages.js';
export { padded } from './onnx/batches.js';
export { checkGraph } from './onnx/check.js';
export { checkText, type CheckedText } from './onnx/text-check.js';
export { tryGraph } from './onnx/trial.js';
export { compileTarget, compileVersion, type CompileJob } from './onnx/compile.js';
export { COMPILED_GRAPH } from './onnx/compiled-model.js';
export { formKey, planForm, type QuantizedForm, type VersionForm } from './onnx/form.js';
export { detectWeightBits, weightBitsOf } from './onnx/processor.js';
export { quantizeVersion } from './onnx/quantize.js';
export { WordRows } from './onnx/word-rows.js';
export { onnxRunnerCommand } from './onnx/command.js';
export { anonymousMemory, proportionalMemory } from './process-memory.js';
export { RunnerPool, type Replacement, type RunnerPoolOptions } from './pool.js';
export { PythonEnvironments, type PythonEnvironment, type PythonEnvironmentsOptions } from './python/environment.js';
export { PicklePools, type PicklePoolsOptions } from './python/pickle-pools.js';
export { pythonRunnerCommand, type PythonRunnerOptions } from './python/command.js';
export {
  LONGEST_CALL_MS,
  Runner,
  type CallOptions,
  type RunnerCommand,
  type RunnerEmitter,
  type RunnerEvents,
  type RunnerReply,
} from './runner.js';
export { NEXT_MODES, nextMode, RUNNER_MODES, type RunnerMode } from './runner-mode.js';
