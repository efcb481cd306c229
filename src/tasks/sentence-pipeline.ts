import { ModelkeepError, type VersionFiles } from '../core/index.js';
import {
  moduleFile,
  POOLING_NAMES,
  readModuleConfig,
  readSentenceModel,
  readTextChoices,
  type PoolingName,
  type SentenceModel,
  type SentenceModule,
  readStaticModel,
  type StaticModel,
} from '../formats/index.js';
import { neededConfig, onlyPooled, openDense, openLayerNorm, type Layer } from './dense.js';
import { readJsonObject, type JsonObject } from './json-file.js';
import { readTransformerSettings, type TransformerSettings } from './transformer-settings.js';

/** The old name of each mode, in the order in which sentence-transformers joins the vectors of several of them. */
const OLD_MODES: readonly (readonly [string, PoolingName])[] = [
  ['pooling_mode_cls_token', 'cls'],
  ['pooling_mode_max_tokens', 'max'],
  ['pooling_mode_mean_tokens', 'mean'],
  ['pooling_mode_mean_sqrt_len_tokens', 'mean_sqrt_len_tokens'],
  ['pooling_mode_weightedmean_tokens', 'weightedmean'],
  ['pooling_mode_lasttoken', 'lasttoken'],
];

const POOLING_KEYS = new Set([
  'embedding_dimension',
  'include_prompt',
  'pooling_mode',
  'word_embedding_dimension',
  ...OLD_MODES.map(([key]) => key),
]);

/** What follows the pooling, in order. */
export type SentenceStep = 'normalize' | Layer;

/** How the vectors of tokens become one vector. */
export interface SentencePooling {
  readonly modes: readonly PoolingName[];
  /** False if the tokens of a prompt are left out of the pooling. */
  readonly includePrompt: boolean;
}

/** What a sentence-transformers model does before and behind the graph. */
export interface SentencePipeline extends SentencePooling {
  readonly steps: readonly SentenceStep[];
  /** How texts are treated. */
  readonly texts: TransformerSettings;
  /** Settings of the model as a whole; empty where the library does not read them. */
  readonly config: JsonObject;
  /** A model that is a table of vectors, which the graph adds up. */
  readonly tables?: StaticModel | undefined;
}

/** Kinds of modules that are supported behind a Transformer. Dropout does nothing once training has ended. */
const KINDS = ['Pooling', 'Dense', 'LayerNorm', 'Normalize', 'Dropout'];

function invalid(message: string): ModelkeepError {
  return new ModelkeepError('INVALID_ARTIFACT', `${message}. Save the model again`);
}

/** How texts are treated where there is no module that says. */
const PLAIN: TransformerSettings = { clean: (text) => text };

/** `SentenceTransformer(folder)` for a folder that it did not save as such: mean pooling. */
const DEFAULT: SentencePipeline = { modes: ['mean'], includePrompt: true, steps: [], texts: PLAIN, config: {} };

/** The modes that a pooling's configuration names, in the order in which their vectors are joined. */
function modesOf(path: string, config: JsonObject): readonly PoolingName[] {
  const named = config['pooling_mode'];
  if (named !== undefined) {
    const list: readonly unknown[] = Array.isArray(named) ? named : [named];
    const known = list.filter((each): each is PoolingName => (POOLING_NAMES as readonly unknown[]).includes(each));
    if (list.length > 0 && list.length <= POOLING_NAMES.length && known.length === list.length) return known;
    throw new ModelkeepError(
      'UNSUPPORTED_FORMAT',
      `${path}: pooling_mode ${JSON.stringify(named).slice(0, 200)} is not supported; supported: ${POOLING_NAMES.join(', ')}, or a list of them`,
    );
  }
  const modes = OLD_MODES.flatMap(([key, mode]) => (flag(path, config, key, false) ? [mode] : []));
  // As the library has it, whether no mode is named or all of them are off.
  return modes.length === 0 ? ['mean'] : modes;
}

function flag(path: string, config: JsonObject, key: string, fallback: boolean): boolean {
  const value = config[key] ?? fallback;
  if (typeof value === 'boolean') return value;
  throw invalid(`${path}: ${key} is ${JSON.stringify(value)}, not true or false`);
}

async function readPooling(files: VersionFiles, module: SentenceModule): Promise<SentencePooling & { width: number }> {
  const path = moduleFile(module.path, 'config.json');
  const config = await neededConfig(files, module);
  const unknown = Object.keys(config).find((key) => !POOLING_KEYS.has(key));
  if (unknown !== undefined) {
    throw new ModelkeepError(
      'UNSUPPORTED_FORMAT',
      `${path}: ${unknown} is not known to Pooling; known: ${[...POOLING_KEYS].join(', ')}`,
    );
  }
  const modes = modesOf(path, config);
  const width = config['embedding_dimension'] ?? config['word_embedding_dimension'];
  if (!Number.isSafeInteger(width) || (width as number) < 1) {
    throw invalid(`${path}: embedding_dimension is ${JSON.stringify(width) ?? 'missing'}, not a positive integer`);
  }
  return { modes, includePrompt: flag(path, config, 'include_prompt', true), width: (width as number) * modes.length };
}

/** The model's own width times the modes, where config.json says it: what a pooling's file says decides nothing. */
async function pooledWidth(files: VersionFiles, { modes, width }: { modes: readonly unknown[]; width: number }) {
  const config = (await readJsonObject(files, 'config.json')) ?? {};
  const hidden = config['hidden_size'] ?? config['dim'] ?? config['d_model'];
  return typeof hidden === 'number' ? hidden * modes.length : width;
}

async function stepOf(files: VersionFiles, module: SentenceModule): Promise<SentenceStep | undefined> {
  switch (module.kind) {
    case 'Normalize':
      onlyPooled(moduleFile(module.path, 'config.json'), (await readModuleConfig(files, module)) ?? {});
      return 'normalize';
    case 'Dense':
      return openDense(files, module);
    case 'LayerNorm':
      return openLayerNorm(files, module);
    default:
      return undefined;
  }
}

async function stepsOf(
  files: VersionFiles,
  modules: readonly SentenceModule[],
  pooled: number | undefined,
): Promise<readonly SentenceStep[]> {
  const steps: SentenceStep[] = [];
  let width = pooled;
  for (const module of modules) {
    const step = await stepOf(files, module);
    if (step === undefined) continue;
    steps.push(step);
    if (step === 'normalize') continue;
    if (width !== undefined && step.from !== width) {
      throw invalid(
        `${module.path}: its ${module.kind} takes ${step.from} numbers, but what comes before gives ${width}`,
      );
    }
    width = step.to;
  }
  return steps;
}

/**
 * The modules behind the first one, each of which must be supported.
 *
 * @param kinds names of the classes that are
 * @throws ModelkeepError `UNSUPPORTED_FORMAT` naming one that is not
 */
export function modulesBehind(
  { modules, modelType }: SentenceModel,
  kinds: readonly string[],
): readonly SentenceModule[] {
  const [, ...others] = modules;
  const unknown = others.find(({ kind }) => !kinds.includes(kind));
  if (unknown === undefined) return others;
  throw new ModelkeepError(
    'UNSUPPORTED_FORMAT',
    `modules.json has a ${unknown.kind} module (${unknown.type}), which is not supported in a ${modelType}; supported ` +
      `behind the first: ${kinds.join(', ') || 'none'}. Publish with --task feature-extraction for token vectors`,
  );
}

/** The Transformer module, which comes first. @throws ModelkeepError `UNSUPPORTED_FORMAT` for any other */
export function transformerOf({ modules }: SentenceModel): SentenceModule {
  const [first] = modules;
  if (first !== undefined && ['Transformer', 'MLMTransformer'].includes(first.kind)) return first;
  throw new ModelkeepError(
    'UNSUPPORTED_FORMAT',
    `modules.json begins with a ${first?.kind} module (${first?.type}), which is not supported; supported: Transformer, ` +
      'StaticEmbedding',
  );
}

/** Modules that are supported behind a StaticEmbedding. */
const BEHIND_TABLES = KINDS.filter((kind) => kind !== 'Pooling');

/** What follows the table of static embeddings. */
async function readBehindTables(
  files: VersionFiles,
  tables: StaticModel,
  model: SentenceModel | undefined,
): Promise<SentencePipeline> {
  const isSentenceModel = model?.modelType === 'SentenceTransformer';
  const modules = isSentenceModel ? modulesBehind(model, BEHIND_TABLES) : [];
  const width = tables.table.shape[1];
  const read = await stepsOf(files, modules, width);
  // model2vec reads its own config.json, and writes modules.json for the others.
  const isOwn = tables.library === 'model2vec' && read.every((step) => step === 'normalize');
  const steps = isOwn ? (tables.normalize ? ['normalize' as const] : []) : read;
  return { ...DEFAULT, steps, tables, config: isSentenceModel ? model.config : {} };
}

async function readModules(files: VersionFiles, model: SentenceModel): Promise<SentencePipeline> {
  const texts = await readTransformerSettings(files, model, transformerOf(model), 'feature-extraction');
  const [pooling, ...others] = modulesBehind(model, KINDS);
  if (pooling?.kind !== 'Pooling') {
    throw new ModelkeepError(
      'UNSUPPORTED_FORMAT',
      `modules.json has ${pooling === undefined ? 'no module' : `a ${pooling.kind} module`} behind the Transformer, where ` +
        'only Pooling makes one vector of those of the tokens. Save the model again with its Pooling',
    );
  }
  const second = others.find(({ kind }) => kind === 'Pooling');
  if (second !== undefined) {
    throw new ModelkeepError(
      'UNSUPPORTED_FORMAT',
      `modules.json has a second Pooling module (${second.path}); supported is one, right behind the Transformer`,
    );
  }
  const { width, ...read } = await readPooling(files, pooling);
  const steps = await stepsOf(files, others, await pooledWidth(files, { modes: read.modes, width }));
  return { ...read, steps, texts, config: model.config };
}

/**
 * Reads what makes a vector of a text's tokens: `modules.json` and the files of its modules, as
 * `SentenceTransformer(folder)` does. A folder without them, or one that another class of the library saved, is pooled by
 * the mean. What the publisher chose comes before all of this.
 *
 * @throws ModelkeepError `UNSUPPORTED_FORMAT` for a module or value that is not supported, with the list of those that
 * are; `INVALID_ARTIFACT` for files of modules that are missing, damaged, or do not fit each other
 */
export async function readSentencePipeline(files: VersionFiles): Promise<SentencePipeline> {
  const model = await readSentenceModel(files);
  const read = await readBehindGraph(files, model);
  const { pooling, normalize } = await readTextChoices(files);
  if (read.tables !== undefined && pooling !== undefined) {
    throw new ModelkeepError(
      'INVALID_INPUT',
      `Static embeddings are the mean of their tokens' vectors: the pooling ${pooling} cannot be chosen. Publish without --pooling`,
    );
  }
  const modes = pooling === undefined ? read.modes : [pooling];
  if (normalize === undefined || normalize === (read.steps.at(-1) === 'normalize')) return { ...read, modes };
  const steps = normalize ? [...read.steps, 'normalize' as const] : read.steps.slice(0, -1);
  return { ...read, modes, steps };
}

async function readBehindGraph(files: VersionFiles, model: SentenceModel | undefined): Promise<SentencePipeline> {
  const tables = await readStaticModel(files);
  if (tables !== undefined) return readBehindTables(files, tables, model);
  return model?.modelType === 'SentenceTransformer' ? readModules(files, model) : DEFAULT;
}

/** Numbers of the vectors of a model; undefined where its files do not say. */
export async function pipelineWidth(
  files: VersionFiles,
  { steps, modes, tables }: SentencePipeline,
): Promise<number | undefined> {
  const layer = steps.findLast((step) => step !== 'normalize');
  if (layer !== undefined) return layer.to;
  const width = tables === undefined ? await pooledWidth(files, { modes, width: 0 }) : (tables.table.shape[1] ?? 0);
  return width > 0 ? width : undefined;
}

/** How tokens become one vector, such as `mean, Dense 64 to 16 (Tanh), normalized`. */
export function describePipeline({ modes, steps, includePrompt, tables }: SentencePipeline): string {
  const parts = steps.map((step) => (step === 'normalize' ? 'normalized' : step.description));
  const first = tables === undefined ? modes.join(' + ') : 'mean of static vectors';
  return [`${first}${includePrompt ? '' : ' without the prompt'}`, ...parts].join(', ');
}
