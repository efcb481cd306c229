import { ModelkeepError, type VersionFiles } from '../core/index.js';
import { readFloats, readSafetensorsHeader, type SafetensorsHeader } from '../formats/index.js';
import { readJsonObject } from './json-file.js';

/** A vector to a vector. */
export type VectorStep = (vector: readonly number[]) => number[];

/** A layer behind the pooling of a sentence-transformers directory. */
export interface Dense {
  /** Numbers that go in and come out. */
  readonly from: number;
  readonly to: number;
  readonly apply: VectorStep;
}

/** The error function, by formula 7.1.26 of Abramowitz and Stegun (1964): within 1.5e-7. */
function erf(x: number): number {
  const t = 1 / (1 + 0.3275911 * Math.abs(x));
  const series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  return Math.sign(x) * (1 - series * Math.exp(-x * x));
}

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

/** Activations by the last part of the class name in the module's config.json, with torch's default arguments. */
const ACTIVATIONS: Readonly<Record<string, (x: number) => number>> = {
  Identity: (x) => x,
  Tanh: Math.tanh,
  ReLU: (x) => Math.max(x, 0),
  GELU: (x) => 0.5 * x * (1 + erf(x / Math.SQRT2)),
  Sigmoid: sigmoid,
  SiLU: (x) => x * sigmoid(x),
};

function activationOf(path: string, value: unknown): (x: number) => number {
  const name = typeof value === 'string' ? value.slice(value.lastIndexOf('.') + 1) : 'Tanh';
  // Only torch's own: a class of the same name elsewhere would be custom code.
  const known = value === undefined || (typeof value === 'string' && value.startsWith('torch.nn.'));
  const activation = known && Object.hasOwn(ACTIVATIONS, name) ? ACTIVATIONS[name] : undefined;
  if (activation !== undefined) return activation;
  throw new ModelkeepError(
    'UNSUPPORTED_FORMAT',
    `${path}: activation_function ${JSON.stringify(value)} is not supported; supported of torch.nn: ${Object.keys(ACTIVATIONS).join(', ')}`,
  );
}

function invalid(message: string): ModelkeepError {
  return new ModelkeepError('INVALID_ARTIFACT', `${message}. Save the model again`);
}

/** The tensors of a module's weights, which must be safetensors. */
async function tensorsOf(files: VersionFiles, path: string): Promise<SafetensorsHeader['tensors']> {
  const size = files.size(path);
  if (size === undefined) {
    throw new ModelkeepError(
      'INVALID_ARTIFACT',
      `${path} is missing: weights in pytorch_model.bin are not read, because a pickle can execute code. Save the ` +
        'model with model.save(directory, safe_serialization=True)',
    );
  }
  return (await readSafetensorsHeader(path, size, (start, end) => files.read(path, { start, end }))).tensors;
}

/** Reads one tensor of a module. @throws ModelkeepError `INVALID_ARTIFACT` naming the field that it contradicts */
async function read(
  files: VersionFiles,
  path: string,
  tensors: SafetensorsHeader['tensors'],
  name: string,
  shape: readonly number[],
): Promise<Float32Array> {
  const tensor = tensors.get(name);
  if (tensor === undefined) throw invalid(`${path} lacks the tensor "${name}"`);
  if (tensor.shape.join() === shape.join()) return readFloats(files, path, tensor);
  throw invalid(
    `${path}: tensor "${name}" has the shape [${tensor.shape.join(', ')}], out_features and in_features of its ` +
      `config.json ask for [${shape.join(', ')}]`,
  );
}

function sizeOf(path: string, config: Readonly<Record<string, unknown>>, field: string): number {
  const value = config[field];
  if (Number.isSafeInteger(value) && (value as number) > 0) return value as number;
  throw invalid(`${path}: ${field} is ${JSON.stringify(value) ?? 'missing'}, not a positive integer`);
}

/**
 * Opens a Dense module of sentence-transformers: activation(x · weightᵀ + bias).
 *
 * @param folder of the module in the version, such as `2_Dense`
 * @throws ModelkeepError `INVALID_ARTIFACT` if its files are missing, damaged or contradict each other;
 * `UNSUPPORTED_FORMAT` for an activation or an input that is not supported
 */
export async function openDense(files: VersionFiles, folder: string): Promise<Dense> {
  const configPath = `${folder}/config.json`;
  const config = await readJsonObject(files, configPath);
  if (config === undefined) throw invalid(`modules.json names ${folder}, but ${configPath} is missing`);
  for (const field of ['module_input_name', 'module_output_name']) {
    const value = config[field] ?? 'sentence_embedding';
    if (value === 'sentence_embedding') continue;
    throw new ModelkeepError(
      'UNSUPPORTED_FORMAT',
      `${configPath}: ${field} ${JSON.stringify(value)} is not supported; supported: sentence_embedding`,
    );
  }
  const from = sizeOf(configPath, config, 'in_features');
  const to = sizeOf(configPath, config, 'out_features');
  const activation = activationOf(configPath, config['activation_function']);
  const path = `${folder}/model.safetensors`;
  const tensors = await tensorsOf(files, path);
  const biased = config['bias'] !== false;
  const weight = await read(files, path, tensors, 'linear.weight', [to, from]);
  const bias = biased ? await read(files, path, tensors, 'linear.bias', [to]) : new Float32Array(to);
  const left = [...tensors.keys()].filter((name) => name !== 'linear.weight' && !(biased && name === 'linear.bias'));
  if (left.length > 0) throw invalid(`${path} has the tensor "${left[0]}", which ${configPath} does not use`);
  return {
    from,
    to,
    apply: (vector) =>
      Array.from(bias, (start, row) => {
        let sum = start;
        for (let at = 0; at < from; at++) sum += (vector[at] ?? 0) * (weight[row * from + at] ?? 0);
        return activation(sum);
      }),
  };
}
