import { didYouMean, ModelkeepError, type VersionFiles } from '../core/index.js';
import { readStaticModel, readTextChoices } from '../formats/index.js';
import type { TaskDefinition } from './definition.js';
import { detectTask, TASK_NAMES } from './detect.js';
import { readModelConfig, type ModelConfig } from './model-config.js';
import type { OpenTask } from './task.js';
import { fillMask } from './fill-mask.js';
import { featureExtraction } from './feature-extraction.js';
import { questionAnswering } from './question-answering.js';
import { sentenceEmbeddings } from './sentence-embeddings.js';
import { sentenceSimilarity } from './sentence-similarity.js';
import { sparseEmbeddings } from './sparse-embeddings.js';
import { textRanking } from './text-ranking.js';
import { textClassification } from './text-classification.js';
import { tokenClassification } from './token-classification.js';
import { zeroShotClassification } from './zero-shot-classification.js';
import { TOKEN_TASKS } from './token-tasks.js';
import { tokenizerFilesOf } from './static-texts.js';
import { OpenTokenizers } from './tokenizer/open-tokenizers.js';

/** Every task by its name. */
export const TASKS: ReadonlyMap<string, TaskDefinition> = new Map(
  [
    textClassification,
    tokenClassification,
    questionAnswering,
    fillMask,
    featureExtraction,
    zeroShotClassification,
    sentenceEmbeddings,
    sentenceSimilarity,
    textRanking,
    sparseEmbeddings,
  ].map((task) => [task.name, task]),
);

/** Options of {@link openTask}. */
export interface OpenTaskOptions {
  /** Name of the task. @defaultValue what {@link detectTask} finds */
  readonly task?: string;
  /** The tokenizers of this process, of which versions with equal files share one. @defaultValue none is shared */
  readonly tokenizers?: OpenTokenizers | undefined;
  /** Most tokens that the graph takes. @defaultValue what the version's files say */
  readonly maxTokens?: number | undefined;
}

/** Static embeddings have nothing in config.json that a task reads. */
const UNCONFIGURED: ModelConfig = { architectures: [], modelType: '' };

/** The configuration of a version with the shortest of all limits that hold for its texts. */
async function limited(files: VersionFiles, maxTokens: number | undefined): Promise<ModelConfig> {
  const config = (await readModelConfig(files)) ?? UNCONFIGURED;
  const choices = await readTextChoices(files);
  const limits = [config.maxTokens, choices.maxTokens, maxTokens].filter((limit) => limit !== undefined);
  return limits.length === 0 ? config : { ...config, maxTokens: Math.min(...limits) };
}

/**
 * Opens the task of a version: text in, answers out. Reads only the small files (configuration, tokenizer).
 *
 * @throws ModelkeepError `UNSUPPORTED_FORMAT` if there is no such task or the version has no tokenizer (it can be
 *   served by tensors only), `INVALID_ARTIFACT` if its files are damaged
 */
export async function openTask(files: VersionFiles, options: OpenTaskOptions = {}): Promise<OpenTask> {
  const name = options.task ?? (await detectTask(files));
  if (name === undefined) {
    throw new ModelkeepError(
      'UNSUPPORTED_FORMAT',
      'No task was found in config.json or modules.json; publish with --task, or ask for tensors',
    );
  }
  const definition = TASKS.get(name) ?? TOKEN_TASKS.get(name);
  if (definition === undefined) {
    throw new ModelkeepError(
      'UNSUPPORTED_FORMAT',
      `There is no task ${name}; use one of ${TASK_NAMES.join(', ')}${didYouMean(name, TASK_NAMES)}`,
    );
  }
  const tables = await readStaticModel(files);
  const config = tables === undefined ? await limited(files, options.maxTokens) : UNCONFIGURED;
  const ofTokenizer = tables === undefined ? files : tokenizerFilesOf(files);
  const tokenizer = await (options.tokenizers ?? new OpenTokenizers()).open(ofTokenizer, config);
  if (tokenizer === undefined) {
    throw new ModelkeepError(
      'UNSUPPORTED_FORMAT',
      `The version has no tokenizer, which ${name} needs; publish tokenizer.json with it, or ask for tensors`,
    );
  }
  const opened = await definition.open({ files, config, tokenizer });
  return { ...opened, facts: { ...opened.facts, labels: config.labels } };
}
