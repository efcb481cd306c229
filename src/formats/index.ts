/** What a version is made of: detection and checks at publish, cutting at tensor boundaries, and session plans. */
export { hasAdapter } from './adapter/adapter.js';
export { adaptedConfig } from './adapter/adapted-config.js';
export { inspectAdapter } from './adapter/inspect.js';
export { openDirectoryFiles, openLocalFiles, openSegmentFiles } from './version-files.js';
export { planSession } from './plan-session.js';
export { isCheckpoint, resolvedConfig, servableTasks, taskOfCheckpoint, type Servable } from './graphs/servable.js';
export { WORD_ROWS, type PlanFacts, type PlanOptions, type SessionPlan, type WordTable } from './session-plan.js';
export type { WeightBits } from './quantize/quantize.js';
export type { Artifact, ArtifactFile } from './artifact.js';
export { locateModel, type Located, type LocateOptions } from './folder/locate.js';
export { inspectArtifact, type InspectOptions } from './inspect-artifact.js';
export { validateArtifact, validateFiles, type Validated, type ValidateOptions } from './validate-artifact.js';
export { buildManifest, type BuildManifestOptions } from './build-manifest.js';
export { cutFile } from './cutting.js';
export { readStaticModel, type StaticModel } from './static-embeddings.js';
export { readFloats, widenFloats, type FloatDtype } from './float-tensor.js';
export { readSafetensorsHeader, type SafetensorsHeader } from './safetensors.js';
export { DTYPE_BYTES, type StoredTensor } from './tensor-table.js';
export {
  checkTextChoices,
  parseTextChoices,
  POOLING_NAMES,
  readTextChoices,
  TEXT_FILE,
  type PoolingName,
  type SharedRuns,
  type TextChoices,
} from './text-choices.js';
export {
  moduleFile,
  readModuleConfig,
  readSentenceModel,
  SENTENCE_CONFIG_FILE,
  type SentenceModel,
  type SentenceModule,
} from './sentence-modules.js';
export { SPARSE_OUTPUT } from './graphs/sparse.js';
export { readSpladePooling, type SpladePooling } from './splade-pooling.js';
export { readTrainingFacts, type TrainingFacts } from './training-facts.js';
export { scanModelFile } from './scan-model-file.js';
export { type PickleCompression, type PickleReport } from './joblib/scan.js';
export { parseRequirements, readRequirements, REQUIREMENTS_FILE } from './joblib/requirements.js';
export { isSafeGlobal, SAFE_GLOBALS, type GlobalsPolicy } from './joblib/safe-globals.js';
export type { Activation } from './onnx/activations.js';
export { ModelWriter } from './onnx/model-writer.js';
export { textInputs, type FedType, type InputRole, type TextInput, type TextInputs } from './onnx/text-inputs.js';
export { bytesField, fieldsIn, type Field } from './onnx/wire.js';
export { measureChange, type TensorAt, type TensorChange } from './tensor-change.js';
export { readWeightTensors, type WeightTensor } from './weight-tensors.js';
export { readJson, readJsonValue, readText, readTokenizerJson } from './read-json.js';
export { decodeText, parseJson } from './text-file.js';
