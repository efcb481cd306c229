import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { ModelkeepError } from '../../core/index.js';
import { decodeText } from '../text-file.js';

/** What an MLflow model directory says of where its model lies. */
export interface MlflowModel {
  /** The folder or file of the model, relative to the directory. */
  readonly model: string;
  /** The folder of the tokenizer, where it has one of its own. */
  readonly tokenizer?: string | undefined;
  /** The task that its pipeline was made for, by the name that modelkeep has for it. */
  readonly task?: string | undefined;
  readonly flavor: string;
}

type Yaml = Readonly<Record<string, unknown>>;

/** Largest `MLmodel` that is read: 4 MiB; it can hold an example of an input. */
const MAX_BYTES = 4 * 1024 * 1024;

/** Names of pipelines, and of MLflow's own, for tasks that are served. */
const TASKS: Readonly<Record<string, string>> = {
  'text-classification': 'text-classification',
  'sentiment-analysis': 'text-classification',
  'token-classification': 'token-classification',
  ner: 'token-classification',
  'question-answering': 'question-answering',
  'fill-mask': 'fill-mask',
  'feature-extraction': 'feature-extraction',
  'zero-shot-classification': 'zero-shot-classification',
};

/** Flavors that are read, best first. */
const FLAVORS: readonly (readonly [string, (flavor: Yaml, directory: string) => Omit<MlflowModel, 'flavor'>])[] = [
  ['transformers', transformers],
  ['sentence_transformers', () => ({ model: 'model.sentence_transformer' })],
  ['onnx', (flavor) => ({ model: textOf(flavor['data']) ?? 'model.onnx' })],
  ['sklearn', (flavor) => ({ model: textOf(flavor['pickled_model']) ?? 'model.pkl' })],
];

/**
 * Reads the file `MLmodel` of an MLflow model directory: where its flavor put model, tokenizer and task.
 *
 * @throws ModelkeepError `INVALID_ARTIFACT` for a file that is damaged; `UNSUPPORTED_FORMAT` for flavors that are not
 * read, and for models whose weights are elsewhere, naming where
 */
export async function readMlflow(directory: string): Promise<MlflowModel> {
  const flavors = recordOf((await readYaml(join(directory, 'MLmodel')))['flavors']) ?? {};
  for (const [name, read] of FLAVORS) {
    const flavor = recordOf(flavors[name]);
    if (flavor !== undefined) return { ...read(flavor, directory), flavor: name };
  }
  const others = Object.keys(flavors).filter((name) => name !== 'python_function');
  throw new ModelkeepError(
    'UNSUPPORTED_FORMAT',
    `MLmodel: flavors has ${others.length === 0 ? 'python_function alone' : others.join(', ')}; read are ` +
      `${FLAVORS.map(([name]) => name).join(', ')}. Log the model with one of them, or publish its own files`,
  );
}

function transformers(flavor: Yaml, directory: string): Omit<MlflowModel, 'flavor'> {
  const adapter = textOf(flavor['peft_adaptor']);
  if (adapter !== undefined) {
    throw new ModelkeepError(
      'UNSUPPORTED_FORMAT',
      `MLmodel: peft_adaptor is ${adapter}: publish the base, ${join(directory, 'model')}, and then the adapter, ` +
        `${join(directory, adapter)}, with --base`,
    );
  }
  const binary = textOf(flavor['model_binary']);
  const source = textOf(flavor['source_model_name']);
  // MLflow before 2.4.1 names no folder and puts the pipeline, its tokenizer included, into this one.
  const model = binary ?? 'pipeline';
  if (binary === undefined && statSync(join(directory, model), { throwIfNoEntry: false }) === undefined) {
    throw new ModelkeepError(
      'UNSUPPORTED_FORMAT',
      `MLmodel: it was logged with save_pretrained=False, so its weights are not in it but in ` +
        `${source ?? 'another place'}. Log it with save_pretrained=True, or publish that folder`,
    );
  }
  const components = Array.isArray(flavor['components']) ? (flavor['components'] as readonly unknown[]) : [];
  return {
    model,
    tokenizer: components.includes('tokenizer') ? 'components/tokenizer' : undefined,
    task: TASKS[textOf(flavor['task']) ?? ''],
  };
}

function damaged(why: string, cause?: unknown): ModelkeepError {
  return new ModelkeepError('INVALID_ARTIFACT', `MLmodel ${why}. Log the model again`, { cause });
}

async function readYaml(path: string): Promise<Yaml> {
  const { size } = statSync(path);
  if (size > MAX_BYTES) throw damaged(`has ${size} bytes, at most ${MAX_BYTES} are read`);
  const { parse } = await import('yaml');
  let parsed: unknown;
  try {
    // No aliases: a few lines of them can stand for gigabytes.
    parsed = parse(decodeText(readFileSync(path), 'MLmodel'), { schema: 'core', maxAliasCount: 0, logLevel: 'error' });
  } catch (error) {
    if (error instanceof ModelkeepError) throw error;
    throw damaged(`is not YAML (${(error as Error).message.split('\n', 1)[0]?.slice(0, 200)})`, error);
  }
  return recordOf(parsed) ?? fail(damaged('holds no mapping'));
}

function fail(error: ModelkeepError): never {
  throw error;
}

function recordOf(value: unknown): Yaml | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Yaml) : undefined;
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}
