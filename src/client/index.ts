/**
 * client/: asks a modelkeep server from a browser or from Node.js; this is what `import … from 'modelkeep/client'`
 * gives. Imports nothing of the house and nothing of Node.js; its types are made from the server's OpenAPI document.
 */
export { ModelkeepClient, type AskOptions, type Answered, type Embedded, type EmbedOptions } from './client.js';
export { ModelkeepClientError, type ClientErrorCode } from './error.js';
export type { ClientOptions } from './options.js';
export type * from './schema.js';
export type { InferOptions, Inferred, TensorIn, TensorOut } from './tensors.js';
export type { AnswerOf, InputsOf, ParametersOf, PredictOptions, Task } from './task-types.js';
