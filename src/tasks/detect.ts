import { ModelkeepError, type VersionFiles } from '../core/index.js';
import {
  isCheckpoint,
  readSentenceModel,
  readStaticModel,
  SENTENCE_CONFIG_FILE,
  taskOfCheckpoint,
  type SentenceModel,
} from '../formats/index.js';
import { readModelConfig, type ModelConfig } from './model-config.js';
import { hasVocabulary } from './tokenizer/resolve/sources.js';

/** Names of all tasks, in the order in which they are documented. */
export const TASK_NAMES = Object.freeze([
  'text-classification',
  'token-classification',
  'question-answering',
  'fill-mask',
  'feature-extraction',
  'sentence-embeddings',
  'zero-shot-classification',
  'sentence-similarity',
  'text-ranking',
  'sparse-embeddings',
] as const);

/** The name of a task. */
export type TaskName = (typeof TASK_NAMES)[number];

/** True for the name of a task. */
export function isTaskName(value: unknown): value is TaskName {
  return (TASK_NAMES as readonly unknown[]).includes(value);
}

const HEADS: readonly (readonly [RegExp, TaskName])[] = [
  [/ForSequenceClassification$/, 'text-classification'],
  [/ForTokenClassification$/, 'token-classification'],
  [/ForQuestionAnswering$/, 'question-answering'],
  [/(ForMaskedLM|ForPreTraining)$/, 'fill-mask'],
  [/Model$/, 'feature-extraction'],
];

/** The task of a model's head; undefined for one that is not known. */
export function taskOfConfig(config: ModelConfig): TaskName | undefined {
  for (const architecture of config.architectures) {
    const head = HEADS.find(([pattern]) => pattern.test(architecture));
    if (head) return head[1];
  }
  return undefined;
}

/**
 * Finds the task of a version from its files: `modules.json` of sentence-transformers, else the head of its weights, else
 * that which `architectures` of `config.json` names.
 *
 * @returns undefined for a version without configuration or tokenizer: it takes and gives tensors only
 * @throws ModelkeepError `INVALID_ARTIFACT` if `config.json` is damaged; `UNSUPPORTED_FORMAT` if it cannot be told
 */
export async function detectTask(files: VersionFiles): Promise<TaskName | undefined> {
  if (!hasVocabulary(files)) return undefined;
  const sentence = await readSentenceModel(files);
  if (sentence === undefined && isCheckpoint(files)) {
    const tables = await readStaticModel(files);
    return tables === undefined ? ((await taskOfCheckpoint(files)) as TaskName) : 'sentence-embeddings';
  }
  const config = await readModelConfig(files);
  return sentence === undefined ? config && taskOfConfig(config) : taskOfSentenceModel(sentence, config);
}

/** Tasks by the class of sentence-transformers that saved the model. */
function taskOfSentenceModel({ modelType }: SentenceModel, config: ModelConfig | undefined): TaskName {
  if (modelType === 'SentenceTransformer') return 'sentence-embeddings';
  // Only scores of one label can be ranked; several are a classification of pairs. transformers leaves out that it is two.
  if (modelType === 'CrossEncoder') return (config?.labels?.length ?? 2) === 1 ? 'text-ranking' : 'text-classification';
  if (modelType === 'SparseEncoder') return 'sparse-embeddings';
  throw new ModelkeepError(
    'UNSUPPORTED_FORMAT',
    `${SENTENCE_CONFIG_FILE}: model_type ${JSON.stringify(modelType)} is not supported; supported: SentenceTransformer, ` +
      'CrossEncoder, SparseEncoder. Publish with --task feature-extraction for token vectors',
  );
}
