import { open } from 'node:fs/promises';
import type { Artifact } from './artifact.js';

/** What a directory says about how its model was trained. */
export interface TrainingFacts {
  /** From `trainer_state.json`: `epoch`, `global_step`, `best_metric`, the last `eval_…` figures … */
  readonly training?: Readonly<Record<string, unknown>>;
  /** From the front matter of `README.md`: `license`, `language`, `base_model`, `datasets`, `tags` … */
  readonly card?: Readonly<Record<string, unknown>>;
  /** What could not be read, as sentences; it does not forbid publishing. */
  readonly warnings: readonly string[];
}

/** Largest `trainer_state.json` that is read: 16 MiB, a log of over 100,000 steps. */
const MAX_STATE_BYTES = 16 * 1024 * 1024;
/** How much of a model card is looked at for its front matter: 64 KiB. */
const MAX_CARD_BYTES = 64 * 1024;
/** Longest text of a fact that is kept, in characters, and longest list. */
const MAX_TEXT = 500;
const MAX_LIST = 100;

const STATE_NUMBERS = [
  'epoch',
  'global_step',
  'max_steps',
  'num_train_epochs',
  'train_batch_size',
  'best_metric',
  'best_global_step',
  'total_flos',
  'num_input_tokens_seen',
] as const;

const CARD_FIELDS = [
  'license',
  'language',
  'library_name',
  'pipeline_tag',
  'base_model',
  'datasets',
  'metrics',
  'tags',
  'model_name',
] as const;

/**
 * Reads the facts that training left beside a model. `training_args.bin` is a pickle, which can run code: it is never
 * opened. A file that is missing says nothing, one that cannot be read gives a warning.
 */
export async function readTrainingFacts({ files }: Artifact): Promise<TrainingFacts> {
  const warnings: string[] = [];
  const look = async <T>(name: string, read: (text: string, whole: boolean) => T | Promise<T>, bytes: number) => {
    const file = files.find(({ path }) => path === name);
    if (file === undefined) return undefined;
    try {
      const { text, whole } = await readHead(file.absolutePath, bytes);
      return await read(text, whole);
    } catch (error) {
      warnings.push(`its ${name} was not understood: ${(error as Error).message.split('\n', 1)[0]?.slice(0, 200)}`);
      return undefined;
    }
  };
  const training = await look('trainer_state.json', stateFacts, MAX_STATE_BYTES);
  const card = await look('README.md', cardFacts, MAX_CARD_BYTES);
  return {
    ...(training === undefined || Object.keys(training).length === 0 ? {} : { training }),
    ...(card === undefined || Object.keys(card).length === 0 ? {} : { card }),
    warnings,
  };
}

/** The first bytes of a file as text. */
async function readHead(path: string, bytes: number): Promise<{ text: string; whole: boolean }> {
  const handle = await open(path, 'r');
  try {
    const { size } = await handle.stat();
    const buffer = Buffer.alloc(Math.min(bytes, size));
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, 0);
    return { text: buffer.subarray(0, bytesRead).toString('utf8'), whole: size <= bytes };
  } finally {
    await handle.close();
  }
}

function stateFacts(text: string, whole: boolean): Record<string, unknown> {
  if (!whole) throw new Error(`it has more than ${MAX_STATE_BYTES} bytes`);
  const state: unknown = JSON.parse(text);
  if (!isRecord(state)) throw new Error('it holds no JSON object');
  const facts: Record<string, unknown> = {};
  for (const name of STATE_NUMBERS) if (isNumber(state[name])) facts[name] = state[name];
  const { best_model_checkpoint: best, log_history: log } = state;
  // The last part only: the rest names a folder of the machine that trained it.
  if (typeof best === 'string') facts.best_model_checkpoint = best.split(/[/\\]/).at(-1)?.slice(0, MAX_TEXT);
  const entries = Array.isArray(log) ? log.filter(isRecord) : [];
  const wanted = /^(eval_[A-Za-z0-9_]{1,80}|train_loss|loss|learning_rate)$/;
  // Later figures take the place of earlier ones: what is kept is how training ended.
  for (const entry of entries) {
    for (const [name, value] of Object.entries(entry)) if (wanted.test(name) && isNumber(value)) facts[name] = value;
  }
  return facts;
}

async function cardFacts(text: string): Promise<Record<string, unknown>> {
  const matter = /^\uFEFF?---[ \t]*\r?\n([\s\S]*?)\r?\n---[ \t]*(?:\r?\n|$)/.exec(text)?.[1];
  if (matter === undefined) return {};
  // No aliases: a few lines of them can stand for gigabytes.
  const { parse } = await import('yaml');
  const parsed: unknown = parse(matter, { schema: 'core', maxAliasCount: 0, logLevel: 'error' });
  if (!isRecord(parsed)) return {};
  const facts: Record<string, unknown> = {};
  for (const name of CARD_FIELDS) {
    const value = Object.hasOwn(parsed, name) ? plainFact(parsed[name]) : undefined;
    if (value !== undefined) facts[name] = value;
  }
  return facts;
}

/** A text, number or flag, or a list of them; anything else is left out. */
function plainFact(value: unknown): unknown {
  if (Array.isArray(value)) {
    const plain = value.slice(0, MAX_LIST).map((one) => (Array.isArray(one) ? undefined : plainFact(one)));
    return plain.filter((one) => one !== undefined);
  }
  if (typeof value === 'string') return value.slice(0, MAX_TEXT);
  return typeof value === 'boolean' || isNumber(value) ? value : undefined;
}

function isNumber(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
