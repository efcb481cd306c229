import { ModelkeepError, type VersionFiles } from '../../core/index.js';
import { readJson } from '../read-json.js';

/** The files of a PEFT adapter, as `save_pretrained` of the peft package leaves them. */
export const ADAPTER_CONFIG_FILE = 'adapter_config.json';
/** @see ADAPTER_CONFIG_FILE */
export const ADAPTER_WEIGHTS_FILE = 'adapter_model.safetensors';

/** The head that a model has by the task that its adapter was trained for: the second half of the class name. */
export const HEAD_OF_TASK: Readonly<Record<string, string>> = Object.freeze({
  SEQ_CLS: 'ForSequenceClassification',
  TOKEN_CLS: 'ForTokenClassification',
  QUESTION_ANS: 'ForQuestionAnswering',
  FEATURE_EXTRACTION: 'Model',
});

/** What of an adapter_config.json decides the merged weights. */
export interface LoraConfig {
  /** Such as `SEQ_CLS`; absent for an adapter of a bare model. */
  readonly taskType?: string;
  /** The factor of B · A for a module and the rank of its pair. */
  readonly scale: (module: string, rank: number) => number;
}

/** Options that change nothing once training has ended, or that the tensors themselves tell. */
const HARMLESS = new Set([
  'auto_mapping',
  'base_model_name_or_path',
  'eva_config',
  'exclude_modules',
  // Of linear layers peft turns it off, and all layers of our families are such.
  'fan_in_fan_out',
  'inference_mode',
  'layers_pattern',
  'layers_to_transform',
  'lora_dropout',
  'megatron_core',
  'modules_to_save',
  'peft_version',
  'r',
  'revision',
  'runtime_config',
  'target_modules',
]);
/** Options that are read. */
const READ = [
  'alpha_pattern',
  'bias',
  'init_lora_weights',
  'lora_alpha',
  'peft_type',
  'rank_pattern',
  'task_type',
  'use_rslora',
];

/** Values that options may have. The first weights that other ways of starting set are differences from changed bases. */
const VALUES: Readonly<Record<string, readonly unknown[]>> = {
  peft_type: ['LORA'],
  bias: ['none'],
  init_lora_weights: [true, false, 'gaussian', 'eva', 'orthogonal'],
};

function unsupported(what: string, supported: readonly unknown[]): ModelkeepError {
  return new ModelkeepError(
    'UNSUPPORTED_FORMAT',
    `${ADAPTER_CONFIG_FILE}: ${what} is not supported; supported: ${supported.map(String).join(', ')}. Merge it in ` +
      'Python (merge_and_unload) and publish the merged model',
  );
}

function invalid(field: string, value: unknown, wanted: string): ModelkeepError {
  const found = JSON.stringify(value) ?? 'missing';
  return new ModelkeepError('INVALID_ARTIFACT', `${ADAPTER_CONFIG_FILE}: ${field} is ${found}, not ${wanted}`);
}

function isNothing(value: unknown): boolean {
  if (typeof value === 'object' && value !== null) return Object.keys(value).length === 0;
  return value === undefined || value === null || value === false;
}

function checkOptions(config: Readonly<Record<string, unknown>>): void {
  for (const [option, values] of Object.entries(VALUES)) {
    const value = config[option] ?? values[0];
    if (!values.includes(value)) throw unsupported(`${option} ${JSON.stringify(value)}`, values);
  }
  for (const [option, value] of Object.entries(config)) {
    if (HARMLESS.has(option) || READ.includes(option) || isNothing(value)) continue;
    throw unsupported(`${option} ${JSON.stringify(value).slice(0, 100)}`, [
      'LoRA of linear and embedding layers with',
      ...READ,
      'modules_to_save',
    ]);
  }
  const { task_type: task } = config;
  if (task !== undefined && task !== null && !(typeof task === 'string' && Object.hasOwn(HEAD_OF_TASK, task)))
    throw unsupported(`task_type ${JSON.stringify(task)}`, Object.keys(HEAD_OF_TASK));
}

function numberOf(field: string, value: unknown): number {
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  throw invalid(field, value, 'a number');
}

type Patterns = readonly (readonly [pattern: string, value: number])[];

/** Numbers of modules whose names end as a pattern says. peft takes regular expressions; plain names are what is used. */
function patternsOf(field: string, value: unknown): Patterns {
  if (isNothing(value)) return [];
  if (typeof value !== 'object') throw invalid(field, value, 'an object');
  return Object.entries(value as object).map(([pattern, number]) => {
    if (!/^[\w.]+$/.test(pattern)) throw unsupported(`${field} ${JSON.stringify(pattern)}`, ['plain module names']);
    return [pattern, numberOf(`${field}.${pattern}`, number)];
  });
}

function matching(patterns: Patterns, module: string): Patterns[number] | undefined {
  return patterns.find(([pattern]) => module === pattern || module.endsWith(`.${pattern}`));
}

/**
 * Reads what of an adapter's configuration decides the merged weights.
 *
 * @throws ModelkeepError `UNSUPPORTED_FORMAT` for DoRA, other methods than LoRA and any option that is not known to leave
 * the weights alone, with the list of what is supported; `INVALID_ARTIFACT` naming a field that is wrong
 */
export async function readLoraConfig(files: VersionFiles): Promise<LoraConfig> {
  const config = await readJson(files, ADAPTER_CONFIG_FILE);
  checkOptions(config);
  const alpha = numberOf('lora_alpha', config['lora_alpha'] ?? 8);
  const alphas = patternsOf('alpha_pattern', config['alpha_pattern']);
  const ranks = patternsOf('rank_pattern', config['rank_pattern']);
  const rootOfRank = config['use_rslora'] === true;
  const scale = (module: string, rank: number): number => {
    const [pattern, own] = matching(alphas, module) ?? [undefined, alpha];
    const [other = pattern] = matching(ranks, module) ?? [];
    // Releases of peft differ in what they do then.
    if (pattern !== undefined && other !== pattern)
      throw unsupported(`alpha_pattern "${pattern}" beside rank_pattern "${other}"`, ['the same pattern in both']);
    return own / (rootOfRank ? Math.sqrt(rank) : rank);
  };
  const { task_type: task } = config;
  return typeof task === 'string' ? { scale, taskType: task } : { scale };
}
