import { didYouMean, ModelkeepError, type Tensor, type TensorInfo } from '../../core/index.js';
import { datatypeOf } from './datatypes.js';

function namesOf(tensors: readonly TensorInfo[]): string {
  return tensors.map(({ name }) => `"${name}"`).join(', ');
}

function meant(name: string, known: readonly TensorInfo[]): string {
  return didYouMean(
    name,
    known.map((one) => one.name),
  );
}

/**
 * Says what about the tensors of a request is not what the model declares.
 *
 * @param instead an input that may be given in the place of all others
 * @throws ModelkeepError `INVALID_INPUT` naming the input and what the model takes
 */
export function checkTensors(
  declared: readonly TensorInfo[],
  tensors: Readonly<Record<string, Tensor>>,
  instead: readonly TensorInfo[] = [],
): void {
  const known = `${namesOf(declared)}${instead.map(({ name }) => `, or one input "${name}" of BYTES alone`).join('')}`;
  for (const name of Object.keys(tensors)) {
    if (declared.some((one) => one.name === name)) continue;
    throw wrong(
      `The model has no input "${name.slice(0, 100)}"; it takes ${known}${meant(name, [...declared, ...instead])}`,
    );
  }
  for (const info of declared) {
    const tensor = Object.hasOwn(tensors, info.name) ? tensors[info.name] : undefined;
    if (tensor === undefined) throw wrong(`Input "${info.name}" is missing; the model takes ${known}`);
    checkTensor(info, tensor);
  }
}

/** Says which output that was asked for the model does not have. @throws ModelkeepError `INVALID_INPUT` */
export function checkOutputs(declared: readonly TensorInfo[], wanted: readonly string[]): void {
  const unknown = wanted.find((name) => !declared.some((one) => one.name === name));
  if (unknown === undefined) return;
  throw wrong(
    `The model has no output "${unknown.slice(0, 100)}"; it gives ${namesOf(declared)}${meant(unknown, declared)}`,
  );
}

function checkTensor({ name, type, dims }: TensorInfo, tensor: Tensor): void {
  // Widening a float loses nothing: whether a runner does it, it says itself.
  const widened = type === 'float64' && tensor.type === 'float32';
  if (tensor.type !== type && !widened) {
    throw wrong(`Input "${name}" has the datatype ${datatypeOf(tensor.type)}, the model takes ${datatypeOf(type)}`);
  }
  const fits = dims.length === tensor.dims.length && dims.every((dim, axis) => dim < 0 || dim === tensor.dims[axis]);
  if (fits) return;
  const shown = dims.map((dim) => (dim < 0 ? 'any' : dim)).join(', ');
  throw wrong(`Input "${name}" has the shape [${tensor.dims.join(', ')}], the model takes [${shown}]`);
}

function wrong(message: string): ModelkeepError {
  return new ModelkeepError('INVALID_INPUT', message);
}
