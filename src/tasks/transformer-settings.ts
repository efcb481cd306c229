import { ModelkeepError, type VersionFiles } from '../core/index.js';
import { moduleFile, type SentenceModel, type SentenceModule } from '../formats/index.js';
import { isObject } from './input.js';
import { readJsonObject, type JsonObject } from './json-file.js';

/** What the head of the graph must give, as `transformer_task` of the Transformer module calls it. */
export type TransformerTask = 'feature-extraction' | 'sequence-classification' | 'fill-mask';

/** How the Transformer module of a sentence-transformers model treats texts. */
export interface TransformerSettings {
  /** Most tokens of a text, special ones included, where the module says; else the tokenizer's limit holds. */
  readonly maxTokens?: number | undefined;
  /** What is done to a text before it is tokenized. */
  readonly clean: (text: string) => string;
}

/** Names of the module's configuration in the order in which the library looks for them. */
const CONFIG_FILES = [
  'sentence_bert_config.json',
  'sentence_roberta_config.json',
  'sentence_distilbert_config.json',
  'sentence_camembert_config.json',
  'sentence_albert_config.json',
  'sentence_xlm-roberta_config.json',
  'sentence_xlnet_config.json',
];

/** The output of the model that each task reads, and what the module calls it. */
const OUTPUTS: Readonly<Record<TransformerTask, readonly [output: string, name: string]>> = {
  'feature-extraction': ['last_hidden_state', 'token_embeddings'],
  'sequence-classification': ['logits', 'scores'],
  'fill-mask': ['logits', 'token_embeddings'],
};

/** Keys that change no answer of `encode` or `predict`: how it is computed, and what other methods ask for. */
const WITHOUT_EFFECT = new Set(['unpad_inputs', 'query_length', 'document_length', 'query_expansion']);

/** Options of the library's loaders that change no answer. */
const HARMLESS_OPTIONS = new Set([
  'add_pooling_layer',
  'attn_implementation',
  'cache_dir',
  'dtype',
  'local_files_only',
  'low_cpu_mem_usage',
  'revision',
  'token',
  'torch_dtype',
  'trust_remote_code',
  'use_fast',
  'use_safetensors',
]);

const OPTIONS: Readonly<Record<string, string>> = {
  model_args: 'model_kwargs',
  model_kwargs: 'model_kwargs',
  tokenizer_args: 'processor_kwargs',
  processor_kwargs: 'processor_kwargs',
  config_args: 'config_kwargs',
  config_kwargs: 'config_kwargs',
};

/** Calls of the tokenizer that change no answer: places that fill a text up are masked, and `longest_first` is the default. */
const HARMLESS_CALLS: Readonly<Record<string, (value: unknown) => boolean>> = {
  padding: () => true,
  pad_to_multiple_of: () => true,
  return_tensors: () => true,
  return_attention_mask: () => true,
  truncation: (value) => value === true || value === 'longest_first',
};

class Reader {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  unsupported(key: string, value: unknown, supported: string): ModelkeepError {
    const shown = JSON.stringify(value)?.slice(0, 200);
    return new ModelkeepError(
      'UNSUPPORTED_FORMAT',
      `${this.#path}: ${key} ${shown} is not supported; supported: ${supported}`,
    );
  }

  /** A positive integer. */
  size(key: string, value: unknown): number {
    if (Number.isSafeInteger(value) && (value as number) > 0) return value as number;
    throw new ModelkeepError(
      'INVALID_ARTIFACT',
      `${this.#path}: ${key} is ${JSON.stringify(value)}, not a positive integer`,
    );
  }

  object(key: string, value: unknown): JsonObject {
    if (isObject(value)) return value;
    throw new ModelkeepError('INVALID_ARTIFACT', `${this.#path}: ${key} is ${JSON.stringify(value)}, not an object`);
  }

  /** The limit that options of the tokenizer set, if they do. */
  options(key: string, value: unknown): number | undefined {
    let limit: number | undefined;
    for (const [name, each] of Object.entries(this.object(key, value))) {
      if (name === 'model_max_length' && OPTIONS[key] === 'processor_kwargs') limit = this.size(`${key}.${name}`, each);
      else if (!HARMLESS_OPTIONS.has(name)) throw this.unsupported(`${key}.${name}`, each, 'none of that name');
    }
    return limit;
  }

  /** The limit that calls of the tokenizer set, if they do. */
  calls(key: string, value: unknown): number | undefined {
    let limit: number | undefined;
    for (const [kind, calls] of Object.entries(this.object(key, value))) {
      // Other kinds of input than texts, and chat templates, are refused where the modalities are read.
      if (kind !== 'text' && kind !== 'common') continue;
      for (const [name, each] of Object.entries(this.object(`${key}.${kind}`, calls))) {
        if (name === 'max_length') limit = this.size(`${key}.${kind}.${name}`, each);
        else if (!Object.hasOwn(HARMLESS_CALLS, name) || HARMLESS_CALLS[name]?.(each) !== true)
          throw this.unsupported(`${key}.${kind}.${name}`, each, 'max_length, padding, truncation true');
      }
    }
    return limit;
  }

  /** Only plain texts, read from the output of the task. */
  modalities(value: unknown, task: TransformerTask): void {
    const modalities = this.object('modality_config', value);
    if (modalities['message'] !== undefined)
      throw this.unsupported('modality_config.message', modalities['message'], 'text, without a chat template');
    const { method, method_output_name: output } = this.object('modality_config.text', modalities['text']);
    const [wanted] = OUTPUTS[task];
    const named: unknown = Array.isArray(output) && output.length === 1 ? output[0] : output;
    if (method === 'forward' && named === wanted) return;
    throw this.unsupported('modality_config.text', modalities['text'], `method forward, method_output_name ${wanted}`);
  }
}

/** Releases of sentence-transformers before 5.4 took spaces around texts away, and lowercased them themselves. */
function cleansTexts(config: JsonObject): boolean {
  const version = isObject(config['__version__']) ? config['__version__']['sentence_transformers'] : undefined;
  const parts = typeof version === 'string' ? /^(\d+)\.(\d+)/.exec(version) : null;
  if (parts === null) return false;
  const [major, minor] = [Number(parts[1]), Number(parts[2])];
  return major < 5 || (major === 5 && minor < 4);
}

/** What Python takes for white space at the ends of a text. */
const SPACES = '[\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]+';
const AROUND = new RegExp(`^${SPACES}|${SPACES}$`, 'g');

/** Lowercases letter by letter, as the library's tokenizers do: a sigma at the end of a word stays one of the middle. */
function lowercase(text: string): string {
  return Array.from(text, (letter) => letter.toLowerCase()).join('');
}

/**
 * Reads the configuration of the Transformer module.
 *
 * @param task what the head of the model must give
 * @throws ModelkeepError `UNSUPPORTED_FORMAT` naming a key and value that would change answers and is not supported,
 * `INVALID_ARTIFACT` for a value that cannot be
 */
export async function readTransformerSettings(
  files: VersionFiles,
  model: SentenceModel,
  module: SentenceModule,
  task: TransformerTask,
): Promise<TransformerSettings> {
  const path = CONFIG_FILES.map((name) => moduleFile(module.path, name)).find((each) => files.size(each) !== undefined);
  const config = (path === undefined ? undefined : await readJsonObject(files, path)) ?? {};
  const read = new Reader(path ?? moduleFile(module.path, 'sentence_bert_config.json'));
  const declared =
    config['transformer_task'] ?? (module.kind === 'MLMTransformer' ? 'fill-mask' : 'feature-extraction');
  if (declared !== task) throw read.unsupported('transformer_task', declared, `${task} for a ${model.modelType}`);
  let lower = false;
  let limit: number | undefined;
  let option: number | undefined;
  let call: number | undefined;
  for (const [key, value] of Object.entries(config)) {
    if (value === null || key === 'transformer_task' || WITHOUT_EFFECT.has(key)) continue;
    if (key === 'max_seq_length') limit = read.size(key, value);
    else if (key === 'do_lower_case') lower = flag(read, key, value);
    else if (key === 'modality_config') read.modalities(value, task);
    else if (key === 'module_output_name') {
      if (value !== OUTPUTS[task][1]) throw read.unsupported(key, value, OUTPUTS[task][1]);
    } else if (key === 'processing_kwargs') call = read.calls(key, value);
    else if (Object.hasOwn(OPTIONS, key)) option = read.options(key, value) ?? option;
    else throw read.unsupported(key, value, 'what sentence-transformers 6 writes');
  }
  const trims = cleansTexts(model.config);
  return {
    maxTokens: call ?? option ?? limit,
    clean: (text) => {
      const trimmed = trims ? text.replace(AROUND, '') : text;
      if (!lower) return trimmed;
      return trims ? trimmed.toLowerCase() : lowercase(trimmed);
    },
  };
}

function flag(read: Reader, key: string, value: unknown): boolean {
  if (typeof value === 'boolean') return value;
  throw read.unsupported(key, value, 'true, false');
}
