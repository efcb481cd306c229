import { ModelkeepError, type VersionFiles } from '../core/index.js';
import { moduleFile, readModuleConfig, type SentenceModule } from '../formats/index.js';
import { activationNamed, activationOf } from './activations.js';
import type { JsonObject } from './json-file.js';
import { openModuleWeights } from './module-weights.js';

/** A vector to a vector. */
export type VectorStep = (vector: readonly number[]) => number[];

/** A layer behind the pooling of a sentence-transformers model. */
export interface Layer {
  /** Numbers that go in and come out. */
  readonly from: number;
  readonly to: number;
  readonly apply: VectorStep;
  /** Such as `Dense 64 to 16 (Tanh)`. */
  readonly description: string;
}

/** The epsilon of torch.nn.LayerNorm. */
const LAYER_NORM_EPSILON = 1e-5;

function invalid(message: string): ModelkeepError {
  return new ModelkeepError('INVALID_ARTIFACT', `${message}. Save the model again`);
}

/** The configuration of a module that cannot do without. @throws ModelkeepError `INVALID_ARTIFACT` if it is missing */
export async function neededConfig(files: VersionFiles, module: SentenceModule): Promise<JsonObject> {
  const config = await readModuleConfig(files, module);
  if (config !== undefined) return config;
  const { path, kind } = module;
  throw invalid(
    `modules.json names the ${kind} module ${path || '.'}, but ${moduleFile(path, 'config.json')} is missing`,
  );
}

function sizeOf(path: string, config: JsonObject, field: string): number {
  const value = config[field];
  if (Number.isSafeInteger(value) && (value as number) > 0) return value as number;
  throw invalid(`${path}: ${field} is ${JSON.stringify(value) ?? 'missing'}, not a positive integer`);
}

function flagOf(path: string, config: JsonObject, field: string, fallback: boolean): boolean {
  const value = config[field] ?? fallback;
  if (typeof value === 'boolean') return value;
  throw invalid(`${path}: ${field} is ${JSON.stringify(value)}, not true or false`);
}

/**
 * A module may be told to work on something else than the pooled vector.
 *
 * @throws ModelkeepError `UNSUPPORTED_FORMAT`
 */
export function onlyPooled(path: string, config: JsonObject): void {
  for (const field of ['module_input_name', 'module_output_name']) {
    const value = config[field] ?? 'sentence_embedding';
    if (value === 'sentence_embedding') continue;
    throw new ModelkeepError(
      'UNSUPPORTED_FORMAT',
      `${path}: ${field} ${JSON.stringify(value)} is not supported; supported: sentence_embedding`,
    );
  }
}

function product(weight: Float32Array, vector: readonly number[], start: number, row: number): number {
  let sum = start;
  const from = vector.length;
  for (let at = 0; at < from; at++) sum += (vector[at] ?? 0) * (weight[row * from + at] ?? 0);
  return sum;
}

/**
 * Opens a Dense module of sentence-transformers: activation(x · weightᵀ + bias), and with `use_residual` what went in, or
 * its own product, on top.
 *
 * @throws ModelkeepError `INVALID_ARTIFACT` if its files are missing, damaged or contradict each other;
 * `UNSUPPORTED_FORMAT` for an activation or an input that is not supported
 */
export async function openDense(files: VersionFiles, module: SentenceModule): Promise<Layer> {
  const path = moduleFile(module.path, 'config.json');
  const config = await neededConfig(files, module);
  onlyPooled(path, config);
  const from = sizeOf(path, config, 'in_features');
  const to = sizeOf(path, config, 'out_features');
  const named = config['activation_function'];
  const activation =
    named === undefined ? activationNamed('Tanh') : activationOf(`${path}: activation_function`, named);
  const residual = flagOf(path, config, 'use_residual', false);
  const weights = await openModuleWeights(files, module.path);
  const weight = await weights.take('linear.weight', [to, from]);
  const biased = flagOf(path, config, 'bias', true);
  const bias = biased ? await weights.take('linear.bias', [to]) : new Float32Array(to);
  const around = residual && from !== to ? await weights.take('residual.weight', [to, from]) : undefined;
  weights.finish();
  const onTop = (vector: readonly number[], row: number): number => {
    if (!residual) return 0;
    return around === undefined ? (vector[row] ?? 0) : product(around, vector, 0, row);
  };
  return {
    from,
    to,
    description: `Dense ${from} to ${to} (${activation.name}${residual ? ', residual' : ''})`,
    apply: (vector) =>
      Array.from(bias, (start, row) => activation.apply(product(weight, vector, start, row)) + onTop(vector, row)),
  };
}

/**
 * Opens a LayerNorm module of sentence-transformers.
 *
 * @throws ModelkeepError `INVALID_ARTIFACT` if its files are missing, damaged or contradict each other
 */
export async function openLayerNorm(files: VersionFiles, module: SentenceModule): Promise<Layer> {
  const path = moduleFile(module.path, 'config.json');
  const size = sizeOf(path, await neededConfig(files, module), 'dimension');
  const weights = await openModuleWeights(files, module.path);
  const weight = await weights.take('norm.weight', [size]);
  const bias = await weights.take('norm.bias', [size]);
  weights.finish();
  return {
    from: size,
    to: size,
    description: `LayerNorm ${size}`,
    apply: (vector) => {
      const mean = vector.reduce((sum, each) => sum + each, 0) / size;
      const variance = vector.reduce((sum, each) => sum + (each - mean) ** 2, 0) / size;
      const scale = 1 / Math.sqrt(variance + LAYER_NORM_EPSILON);
      return vector.map((each, at) => (each - mean) * scale * (weight[at] ?? 1) + (bias[at] ?? 0));
    },
  };
}
