/**
 * tasks/: text in, answers out, number for number as the transformers pipelines give them. Finds the task of a
 * version, tokenizes, and turns a model's outputs into answers; runs no model itself. `metrics/` measures answers.
 */
export * from './definition.js';
export { TOO_LONG } from './input.js';
export * from './detect.js';
export { taskOfGraph } from './graph-task.js';
export { firstPosition } from './model-config.js';
export * from './open.js';
export * from './old-parameters.js';
export * from './served-tasks.js';
export type { TextToken } from './token-tasks.js';
export {
  describeOutput,
  outputsAreNamed,
  taskOutputs,
  type GraphOutput,
  type OutputDim,
  type TaskOutput,
} from './outputs.js';
export { hasVocabulary } from './tokenizer/resolve/sources.js';
export { OpenTokenizers } from './tokenizer/open-tokenizers.js';
export * from './task.js';
export * from './text-classification.js';
export * from './entities.js';
export * from './feature-extraction.js';
export * from './fill-mask.js';
export * from './question-answering.js';
export * from './token-classification.js';
export * from './zero-shot-classification.js';
export * from './sentence-embeddings.js';
export * from './sentence-similarity.js';
export * from './sparse-embeddings.js';
export * from './text-ranking.js';
export * from './golden.js';
export * from './json-lines.js';
export * from './rows.js';
export * from './evaluation/index.js';
export type * from './task-types.js';
export * from './metrics/answer-f1.js';
export * from './metrics/classification.js';
export * from './metrics/entity-f1.js';
export * from './metrics/paired.js';
export * from './metrics/spearman.js';
