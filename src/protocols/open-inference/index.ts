/**
 * protocols/open-inference/: what the REST and the gRPC form of the Open Inference Protocol v2 have in common: tensors in
 * their JSON and raw forms, metadata, parameters, and how a request becomes one of the service.
 */
export { datatypeOf, elementsOf, typeOf, type NamedTensor, type TensorHead } from './datatypes.js';
export { infer } from './inference.js';
export { tensorFromJson, tensorToJson } from './json-tensors.js';
export { EXTENSIONS, modelMetadata } from './metadata.js';
export { parseModelPath, parseRepositoryPath, referenceWithVersion } from './model-path.js';
export {
  checkTensorParameters,
  contentTypeOf,
  refuseParameters,
  saysContentType,
  type Parameters,
} from './parameters.js';
export { rawOf, tensorFromRaw, textOf } from './raw-tensors.js';
