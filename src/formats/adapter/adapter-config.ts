import type { VersionFiles } from '../../core/index.js';
import { readJson } from '../read-json.js';
import { checkKeys, checkMethod } from './keys.js';
import { ADAPTER_CONFIG_FILE, invalidKey, MERGE_IT, unsupportedKey } from './refusal.js';
import { scaleOf, type ScaleOf } from './scale.js';
import { entriesOf, flagOf, namesOf, type Fields } from './settings.js';
import { feedforwardOf, targetsOf, type Targets } from './targets.js';

/** The head that a model has by the task that its adapter was trained for: the second half of the class name. */
export const HEAD_OF_TASK: Readonly<Record<string, string>> = Object.freeze({
  SEQ_CLS: 'ForSequenceClassification',
  TOKEN_CLS: 'ForTokenClassification',
  QUESTION_ANS: 'ForQuestionAnswering',
  FEATURE_EXTRACTION: 'Model',
});

/** Rows of tables of words that were trained, by the layer's name; one list is that of the table of words. */
export type TokenRows = readonly number[] | ReadonlyMap<string, readonly number[]>;

/** What of an adapter_config.json decides the answers. */
export interface AdapterConfig {
  /** The method of peft, such as `LORA`. */
  readonly method: string;
  /** The second half of the class of the model that was trained, such as `ForSequenceClassification`, where it says so. */
  readonly head?: string | undefined;
  readonly targets: Targets;
  readonly scale: ScaleOf;
  /** True for DoRA: rows of weights have a trained length. */
  readonly hasLengths: boolean;
  /** True if pairs have biases. */
  readonly hasPairBiases: boolean;
  /** True if all biases of the model were trained. */
  readonly hasAllBiases: boolean;
  /** Names of modules that are in the weights as a whole. */
  readonly whole: readonly string[];
  readonly tokenRows?: TokenRows | undefined;
  /** Of (IA)³: whether it is the inputs of a layer that are multiplied; undefined where a pattern cannot be told. */
  readonly isFeedforward: (module: string) => boolean | undefined;
}

/** Ways to begin that leave the base as it is; the trained pairs are all that they leave behind. */
const PLAIN_STARTS: readonly unknown[] = [true, false, 'gaussian', 'eva', 'orthogonal', 'mica'];
/** Ways to begin that take from the weights of the base what the pairs begin with. */
const CHANGED_BASE = /^(?:pissa(?:_niter_\d+)?|olora|corda|lora_ga)$/;

function checkStart(fields: Fields): void {
  const key = 'init_lora_weights';
  const value = fields[key] ?? true;
  const start = typeof value === 'string' ? value.toLowerCase() : value;
  if (PLAIN_STARTS.includes(start)) return;
  if (typeof start === 'string' && CHANGED_BASE.test(start)) {
    throw unsupportedKey(
      key,
      value,
      'the pairs belong to a base from whose weights their beginning was taken, not to the base as it was published',
      'Save the adapter with save_pretrained(…, path_initial_model_for_weight_conversion=…), which makes it one for the base ' +
        `as it was. Or: ${MERGE_IT}`,
    );
  }
  if (start === 'loftq')
    throw unsupportedKey(
      key,
      value,
      'the pairs belong to a base with rounded weights (LoftQ), not to that as published',
    );
  throw unsupportedKey(key, value, `pairs that began in another way than ${PLAIN_STARTS.join(', ')} are not served`);
}

function biasOf(fields: Fields): string {
  const value = fields['bias'] ?? 'none';
  if (typeof value === 'string' && ['none', 'all', 'lora_only'].includes(value)) return value;
  throw invalidKey('bias', value, '"none", "all" or "lora_only"');
}

/** Any class name of transformers, taken apart: family and head. */
const CLASS_NAME = /^(?:\w+?)(?<head>For[A-Z]\w*|Model)$/;

/** The head of the class that was trained. */
function headOf(fields: Fields): string | undefined {
  const task = fields['task_type'] ?? undefined;
  if (task !== undefined) {
    const head = typeof task === 'string' && Object.hasOwn(HEAD_OF_TASK, task) ? HEAD_OF_TASK[task] : undefined;
    if (head !== undefined) return head;
    throw unsupportedKey('task_type', task, `the tasks that are served are ${Object.keys(HEAD_OF_TASK).join(', ')}`);
  }
  // Where no task was named, peft writes the class of the model down.
  const known = new Map(entriesOf(fields, 'auto_mapping')).get('base_model_class');
  return typeof known === 'string' ? CLASS_NAME.exec(known)?.groups?.['head'] : undefined;
}

function isRow(row: unknown): row is number {
  return typeof row === 'number' && Number.isSafeInteger(row) && row >= 0;
}

function rowsOf(key: string, value: unknown): readonly number[] {
  if (!Array.isArray(value) || !value.every(isRow)) throw invalidKey(key, value, 'a list of token ids');
  const rows = value as readonly number[];
  if (new Set(rows).size === rows.length) return rows;
  throw invalidKey(key, value, 'a list of token ids that differ');
}

function tokenRowsOf(fields: Fields, method: string): TokenRows | undefined {
  const key = method === 'TRAINABLE_TOKENS' ? 'token_indices' : 'trainable_token_indices';
  const value = fields[key] ?? undefined;
  if (value === undefined) return undefined;
  if (Array.isArray(value)) return rowsOf(key, value);
  return new Map(entriesOf(fields, key).map(([layer, rows]) => [layer, rowsOf(`${key}.${layer}`, rows)]));
}

/**
 * Reads what of an adapter's configuration decides the answers.
 *
 * @throws ModelkeepError `UNSUPPORTED_FORMAT` for methods that are not served and any setting that changes answers and is not
 * served, `INVALID_ARTIFACT` for values that a setting cannot have; both name the setting, its value and the next step
 */
export async function readAdapterConfig(files: VersionFiles): Promise<AdapterConfig> {
  const fields = await readJson(files, ADAPTER_CONFIG_FILE);
  const { peft_type: method } = fields;
  checkMethod(method);
  checkKeys(method, fields);
  checkStart(fields);
  return {
    method,
    head: headOf(fields),
    targets: targetsOf(fields),
    scale: scaleOf(fields, method),
    hasLengths: flagOf(fields, 'use_dora'),
    hasPairBiases: flagOf(fields, 'lora_bias'),
    hasAllBiases: biasOf(fields) === 'all',
    whole: namesOf(fields, 'modules_to_save') ?? [],
    tokenRows: tokenRowsOf(fields, method),
    isFeedforward: feedforwardOf(fields),
  };
}
