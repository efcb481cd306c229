import { ModelkeepError, type VersionFiles } from '../core/index.js';
import { openDense, type Dense } from './dense.js';
import { readJson, readJsonObject, type JsonObject } from './json-file.js';
import type { PoolingMode } from './pooling.js';

/** In the order in which sentence-transformers joins the vectors of several modes. */
const MODES: readonly (readonly [string, PoolingMode])[] = [
  ['pooling_mode_cls_token', 'cls'],
  ['pooling_mode_max_tokens', 'max'],
  ['pooling_mode_mean_tokens', 'mean'],
  ['pooling_mode_mean_sqrt_len_tokens', 'mean_sqrt_len'],
  ['pooling_mode_weightedmean_tokens', 'weightedmean'],
  ['pooling_mode_lasttoken', 'lasttoken'],
];

/** What follows the pooling, in order. */
export type SentenceStep = 'normalize' | Dense;

/** What follows the model in a sentence-transformers directory. */
export interface SentencePipeline {
  readonly modes: readonly PoolingMode[];
  /** False if the tokens of a prompt are left out of the pooling. */
  readonly includePrompt: boolean;
  readonly steps: readonly SentenceStep[];
}

interface Module {
  readonly path: string;
  readonly kind: string;
}

/** Dropout does nothing once training has ended. */
const KINDS = ['Transformer', 'Pooling', 'Dense', 'Normalize', 'Dropout'];

function modulesOf(json: unknown): readonly Module[] {
  if (!Array.isArray(json)) {
    throw new ModelkeepError('INVALID_ARTIFACT', 'modules.json is not a list of modules; save the model again');
  }
  const modules = json.map((each: unknown): Module => {
    const { path, type } = (each ?? {}) as { path?: unknown; type?: unknown };
    return { path: typeof path === 'string' ? path : '', kind: String(type).split('.').at(-1) ?? '' };
  });
  const unknown = modules.find(({ kind }) => !KINDS.includes(kind));
  if (unknown !== undefined) {
    throw new ModelkeepError(
      'UNSUPPORTED_FORMAT',
      `modules.json has a ${unknown.kind} module, which is not supported; supported: ${KINDS.join(', ')}. Use --task ` +
        'feature-extraction for token vectors',
    );
  }
  const pooling = modules.findIndex(({ kind }) => kind === 'Pooling');
  const early = modules.find(({ kind }, at) => at < pooling && kind !== 'Transformer');
  if (early === undefined) return modules;
  throw new ModelkeepError(
    'UNSUPPORTED_FORMAT',
    `modules.json has a ${early.kind} module before the pooling; supported is one behind it`,
  );
}

/** Numbers of the pooled vector, where the pooling says how many there are. */
function pooledWidth(config: JsonObject, modes: readonly PoolingMode[]): number | undefined {
  const width = config['word_embedding_dimension'];
  return typeof width === 'number' ? width * modes.length : undefined;
}

async function stepsOf(
  files: VersionFiles,
  modules: readonly Module[],
  pooled: number | undefined,
): Promise<readonly SentenceStep[]> {
  const steps: SentenceStep[] = [];
  let width = pooled;
  for (const { kind, path } of modules) {
    if (kind === 'Normalize') steps.push('normalize');
    if (kind !== 'Dense') continue;
    const dense = await openDense(files, path);
    if (width !== undefined && dense.from !== width) {
      throw new ModelkeepError(
        'INVALID_ARTIFACT',
        `${path}/config.json: in_features is ${dense.from}, but what comes before gives ${width} numbers. Save the model again`,
      );
    }
    width = dense.to;
    steps.push(dense);
  }
  return steps;
}

/**
 * Reads `modules.json` and the files of its modules. A directory without them is pooled by the mean and not
 * normalised, as sentence-transformers does.
 *
 * @throws ModelkeepError `UNSUPPORTED_FORMAT` for a module that is not supported, with the list of those that are;
 * `INVALID_ARTIFACT` for files of modules that are missing, damaged, or do not fit each other
 */
export async function readSentencePipeline(files: VersionFiles): Promise<SentencePipeline> {
  const json = await readJson(files, 'modules.json');
  if (json === undefined) return { modes: ['mean'], includePrompt: true, steps: [] };
  const modules = modulesOf(json);
  const pooling = modules.find(({ kind }) => kind === 'Pooling');
  const config = (pooling && (await readJsonObject(files, `${pooling.path}/config.json`))) ?? {};
  const named = MODES.flatMap(([key, mode]) => (config[key] === true ? [mode] : []));
  const modes: readonly PoolingMode[] = named.length > 0 ? named : ['mean'];
  return {
    modes,
    includePrompt: config['include_prompt'] !== false,
    steps: await stepsOf(files, modules, pooledWidth(config, modes)),
  };
}
