import { ModelkeepError, type VersionFiles } from '../core/index.js';
import { readJson, readJsonObject } from './json-file.js';
import { row, type Output } from './outputs.js';

/** How the vectors of tokens become one vector. */
export type PoolingMode = 'cls' | 'max' | 'mean' | 'mean_sqrt_len' | 'weightedmean' | 'lasttoken';

/** In the order in which sentence-transformers joins the vectors of several modes. */
const MODES: readonly (readonly [string, PoolingMode])[] = [
  ['pooling_mode_cls_token', 'cls'],
  ['pooling_mode_max_tokens', 'max'],
  ['pooling_mode_mean_tokens', 'mean'],
  ['pooling_mode_mean_sqrt_len_tokens', 'mean_sqrt_len'],
  ['pooling_mode_weightedmean_tokens', 'weightedmean'],
  ['pooling_mode_lasttoken', 'lasttoken'],
];

/** What follows the model in a sentence-transformers directory. */
export interface SentencePipeline {
  readonly modes: readonly PoolingMode[];
  readonly normalize: boolean;
  /** False if the tokens of a prompt are left out of the pooling. */
  readonly includePrompt: boolean;
}

interface Module {
  readonly path: string;
  readonly kind: string;
}

function modulesOf(json: unknown): Module[] {
  if (!Array.isArray(json)) {
    throw new ModelkeepError('INVALID_ARTIFACT', 'modules.json is not a list of modules; save the model again');
  }
  return json.map((each: unknown) => {
    const { path, type } = (each ?? {}) as { path?: unknown; type?: unknown };
    return { path: typeof path === 'string' ? path : '', kind: String(type).split('.').at(-1) ?? '' };
  });
}

/**
 * Reads `modules.json` and the pooling's `config.json`. A directory without them is pooled by the mean and not
 * normalised, as sentence-transformers does.
 *
 * @throws ModelkeepError `UNSUPPORTED_FORMAT` for a module that has weights of its own, such as Dense
 */
export async function readSentencePipeline(files: VersionFiles): Promise<SentencePipeline> {
  const json = await readJson(files, 'modules.json');
  if (json === undefined) return { modes: ['mean'], normalize: false, includePrompt: true };
  const modules = modulesOf(json);
  const unknown = modules.find(({ kind }) => !['Transformer', 'Pooling', 'Normalize'].includes(kind));
  if (unknown) {
    throw new ModelkeepError(
      'UNSUPPORTED_FORMAT',
      `modules.json has a ${unknown.kind} module, which is not supported; use --task feature-extraction for token vectors`,
    );
  }
  const pooling = modules.find(({ kind }) => kind === 'Pooling');
  const config = (pooling && (await readJsonObject(files, `${pooling.path}/config.json`))) ?? {};
  const modes = MODES.flatMap(([key, mode]) => (config[key] === true ? [mode] : []));
  return {
    modes: modes.length > 0 ? modes : ['mean'],
    normalize: modules.some(({ kind }) => kind === 'Normalize'),
    includePrompt: config['include_prompt'] !== false,
  };
}

function weightedSum(tokens: readonly Float32Array[], weight: (at: number) => number, divisor: number): number[] {
  const sum = Array.from({ length: tokens[0]?.length ?? 0 }, () => 0);
  tokens.forEach((token, at) => {
    const factor = weight(at);
    for (let i = 0; i < sum.length; i++) sum[i] = (sum[i] ?? 0) + factor * (token[i] ?? 0);
  });
  return sum.map((each) => each / divisor);
}

function poolBy(mode: PoolingMode, tokens: readonly Float32Array[], first: number): number[] {
  const pooled = tokens.slice(first);
  const count = Math.max(pooled.length, 1e-9);
  switch (mode) {
    case 'cls':
      return Array.from(pooled[0] ?? []);
    case 'lasttoken':
      return Array.from(pooled.at(-1) ?? []);
    case 'max':
      return Array.from(pooled[0] ?? [], (_, i) => pooled.reduce((max, t) => Math.max(max, t[i] ?? 0), -Infinity));
    case 'mean':
      return weightedSum(pooled, () => 1, count);
    case 'mean_sqrt_len':
      return weightedSum(pooled, () => 1, Math.sqrt(count));
    case 'weightedmean': {
      // Weights are positions counted from 1 (SGPT), positions of a prompt that is left out included.
      const total = pooled.reduce((sum, _, at) => sum + first + at + 1, 0);
      return weightedSum(pooled, (at) => first + at + 1, total);
    }
  }
}

/**
 * One vector of the vectors of tokens.
 *
 * @param tokens [tokens, features]
 * @param skip tokens at the beginning that belong to a prompt and are left out
 */
export function pool(tokens: Output, pipeline: SentencePipeline, skip: number, normalize: boolean): number[] {
  const rows = Array.from({ length: tokens.dims[0] ?? 0 }, (_, at) => row(tokens, at));
  const vector = pipeline.modes.flatMap((mode) => poolBy(mode, rows, skip));
  if (!normalize) return vector;
  const norm = Math.max(Math.hypot(...vector), 1e-12);
  return vector.map((each) => each / norm);
}

/** Cosine of the angle between two vectors; 0 if one of them is 0. */
export function cosine(a: readonly number[], b: readonly number[]): number {
  const dot = a.reduce((sum, each, i) => sum + each * (b[i] ?? 0), 0);
  const norms = Math.hypot(...a) * Math.hypot(...b);
  return norms === 0 ? 0 : dot / norms;
}
