/** Why a file of a folder is no part of the version. */
export type LeftOutWhy =
  | 'hidden'
  | 'training state'
  | 'log'
  | 'other weights'
  | 'not needed'
  | 'link to nothing'
  | 'link out'
  | 'odd name'
  | 'same name'
  | 'unreadable'
  | 'no file';

/** A file or folder that is no part of the version. */
export interface LeftOut {
  /** Relative to the folder, with `/` between parts. */
  readonly path: string;
  readonly why: LeftOutWhy;
}

/** What training leaves beside a model and nobody needs to serve it: optimizer state, random states. */
const TRAINING_STATE =
  /^(optimizer\.(pt|bin)|scheduler\.(pt|bin)|scaler\.pt|rng_state.*\.pth|training_args\.(bin|json)|random_states_\d+\.pkl|zero_to_fp32\.py|latest)$/;
/** What tells how training went; `trainer_state.json` and the model card are kept. */
const LOG = /(^events\.out\.tfevents\.|\.(log|out|err|tfevents)$)/;
/** Folders of logs and caches. */
const LOG_FOLDERS = new Set(['runs', 'logs', 'wandb', 'mlruns', '__pycache__', 'node_modules', '__MACOSX']);
/** The same weights for other frameworks and runtimes. */
const OTHER_WEIGHTS =
  /\.(bin|h5|msgpack|pt|pth|ckpt|ot|tflite|mlmodel|gguf|ggml|pb|keras)$|^(pytorch_model|tf_model|flax_model).*\.index\.json$/;
/** A checkpoint of its own inside the folder of a training run, and its number. */
export const CHECKPOINT_FOLDER = /^checkpoint-(\d+)$/;

/** What configurations, tokenizers and weights that are served are made of, and what tells about them. */
const KEPT =
  /\.(jsonl?|safetensors|txt|model|vocab|codes|tiktoken|jinja|md)$|\.onnx([._]data)?$|^(licen[cs]e|notice|copying|readme)([.-].*)?$/i;
/** A model that Python unpickles, or a skops file. */
export const PICKLED = /\.(joblib|pkl|pickle|skops)$/;
/** Files that a version cannot be without or that decide what it answers; their loss is no small thing. */
const DECIDING =
  /^(config|modules|tokenizer|tokenizer_config|special_tokens_map|added_tokens|vocab|sentence_\w+_config|config_sentence_transformers|adapter_config)\.json$|^(vocab|merges)\.txt$|\.index\.json$|\.(safetensors|model)$|\.onnx([._]data)?$/;
/** Files that make a tokenizer. */
const OF_TOKENIZER =
  /^(tokenizer(_config)?\.json|special_tokens_map\.json|added_tokens\.json|vocab\.(txt|json)|merges\.txt|bpe\.codes|chat_template\.(json|jinja)|.*\.(model|vocab|tiktoken))$/;

/** Why a folder is not looked into; undefined for one that is. */
export function folderLeftOut(name: string): LeftOutWhy | undefined {
  if (name.startsWith('.')) return 'hidden';
  if (CHECKPOINT_FOLDER.test(name)) return 'training state';
  return LOG_FOLDERS.has(name) ? 'log' : undefined;
}

/** A text of more bytes that no library reads is data, not part of a model: 16 MiB. */
const MAX_OTHER_TEXT_BYTES = 16 * 1024 * 1024;
const TEXT = /\.(jsonl?|txt|md)$/;

/** Why a file of a size cannot be part of any version; undefined for one that may be. */
export function fileLeftOut(name: string, size = 0): LeftOutWhy | undefined {
  if (name.startsWith('.')) return 'hidden';
  if (TRAINING_STATE.test(name)) return 'training state';
  if (LOG.test(name)) return 'log';
  if (OTHER_WEIGHTS.test(name)) return 'other weights';
  if (size > MAX_OTHER_TEXT_BYTES && TEXT.test(name) && !DECIDING.test(name)) return 'not needed';
  return KEPT.test(name) || PICKLED.test(name) ? undefined : 'not needed';
}

/** True for a file whose loss changes what a version answers. */
export function decides(path: string): boolean {
  return DECIDING.test(path.slice(path.lastIndexOf('/') + 1));
}

/** True for a file that makes a tokenizer. */
export function isTokenizerFile(path: string): boolean {
  return OF_TOKENIZER.test(path);
}

/** True for a file that is enough for a tokenizer. */
export function holdsTokenizer(paths: Iterable<string>): boolean {
  return [...paths].some((path) => /^(tokenizer\.json|vocab\.(txt|json)|[^/]*\.model)$/.test(path));
}

/** What is to be said of it, where it is worth a warning: what everybody has beside a model is not. */
const WARNINGS: Readonly<Partial<Record<LeftOutWhy, string>>> = {
  'not needed': 'no model needs',
  'link to nothing': 'links to nothing',
  'link out': 'links that leave the folder',
  'odd name': 'with names that not every system can hold',
  'same name': 'whose names differ from others only by capitals',
  unreadable: 'which cannot be read',
  'no file': 'which are neither files nor folders',
};

/** How many names of a kind are listed. */
const LISTED = 5;

function listed(paths: readonly string[]): string {
  const shown = paths.slice(0, LISTED).map((path) => JSON.stringify(path.slice(0, 100)).slice(1, -1));
  return `${shown.join(', ')}${paths.length > LISTED ? ` and ${paths.length - LISTED} more` : ''}`;
}

function byWhy(leftOut: readonly LeftOut[]): ReadonlyMap<LeftOutWhy, readonly string[]> {
  const found = new Map<LeftOutWhy, string[]>();
  for (const { path, why } of leftOut) found.set(why, [...(found.get(why) ?? []), path]);
  return found;
}

/** One sentence about what was left out and is worth a warning; undefined if nothing is. */
export function warningOf(leftOut: readonly LeftOut[]): string | undefined {
  const parts = [...byWhy(leftOut)].flatMap(([why, paths]) => {
    const said = WARNINGS[why];
    return said === undefined ? [] : [`${listed(paths)} (${said})`];
  });
  return parts.length === 0 ? undefined : `Left out: ${parts.join('; ')}`;
}

/** What was left out, shortly: one text a kind. */
export function summaryOf(leftOut: readonly LeftOut[]): readonly string[] {
  return [...byWhy(leftOut)].filter(([why]) => why !== 'hidden').map(([why, paths]) => `${why}: ${listed(paths)}`);
}
