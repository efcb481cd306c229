import { ModelkeepError, type Tensor, type TensorInfo } from '../../core/index.js';
import type { InferenceService, Prediction, RequestOptions } from '../../serving/index.js';
import { checkOutputs, checkTensors } from './check-tensors.js';
import type { NamedTensor } from './datatypes.js';
import { TEXT_INPUT, TEXT_OUTPUT } from './metadata.js';
import { taskParameters, withTimeout, type Parameters } from './parameters.js';

/** A request of the protocol, however it travelled. */
export interface InferRequest {
  /** Which version is asked. */
  readonly reference: string;
  readonly inputs: readonly NamedTensor[];
  readonly parameters: Parameters;
  /** Names of the outputs wanted, in this order; empty: all. */
  readonly outputs: readonly string[];
}

/** The answer to an {@link InferRequest}. */
export interface InferAnswer extends Pick<Prediction, 'record' | 'form'> {
  readonly outputs: readonly NamedTensor[];
}

/**
 * Answers a request: one BYTES input `text` goes to the model's task, anything else to the model's tensors.
 *
 * @throws ModelkeepError `INVALID_INPUT` naming the input, output or parameter, or what the service says
 */
export async function infer(
  service: InferenceService,
  request: InferRequest,
  options: RequestOptions,
): Promise<InferAnswer> {
  checkNames(
    'Input',
    request.inputs.map(({ name }) => name),
  );
  checkNames('Output', request.outputs);
  const limited = withTimeout(options, request.parameters);
  const [first] = request.inputs;
  if (request.inputs.length !== 1 || first?.name !== TEXT_INPUT.name || first.tensor.type !== TEXT_INPUT.type) {
    return inferTensors(service, request, limited);
  }
  try {
    return await inferText(service, request, first.tensor.data as readonly string[], limited);
  } catch (error) {
    // A model of tensors may have an input of that name; what it is, is asked only when something was wrong.
    if (!isInvalidInput(error) || !(await takesTensor(service, request.reference, options))) throw error;
    return inferTensors(service, request, limited);
  }
}

function checkNames(what: string, names: readonly string[]): void {
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice === undefined) return;
  throw new ModelkeepError('INVALID_INPUT', `${what} "${twice.slice(0, 100)}" is named twice in the request`);
}

function isInvalidInput(error: unknown): boolean {
  return error instanceof ModelkeepError && error.code === 'INVALID_INPUT';
}

async function takesTensor(service: InferenceService, reference: string, options: RequestOptions): Promise<boolean> {
  const { task, inputs } = await service.describe(reference, options);
  return task === undefined && inputs.some(({ name }) => name === TEXT_INPUT.name);
}

/** Text in: each answer as one JSON string of the output, so that every task fits the protocol. */
async function inferText(
  service: InferenceService,
  { reference, parameters, outputs: wanted }: InferRequest,
  inputs: readonly string[],
  options: RequestOptions,
): Promise<InferAnswer> {
  const work = { inputs, parameters: taskParameters(parameters) };
  checkOutputs([TEXT_OUTPUT], wanted);
  const { output, record, form } = await service.predict(reference, work, options);
  const answers = Array.isArray(output) ? output : [output];
  const tensor: Tensor = { type: 'string', dims: [answers.length], data: answers.map((one) => JSON.stringify(one)) };
  return { record, form, outputs: [{ name: TEXT_OUTPUT.name, tensor }] };
}

async function inferTensors(
  service: InferenceService,
  { reference, inputs, outputs: wanted }: InferRequest,
  options: RequestOptions,
): Promise<InferAnswer> {
  const tensors = Object.fromEntries(inputs.map(({ name, tensor }) => [name, tensor]));
  const work = { tensors, ...(wanted.length === 0 ? {} : { outputs: wanted }) };
  try {
    const { record, form, tensors: given } = await service.infer(reference, work, options);
    const names = wanted.length === 0 ? Object.keys(given) : wanted;
    return { record, form, outputs: names.map((name) => ({ name, tensor: outputOf(given, name) })) };
  } catch (error) {
    // The runtime's refusals name neither input nor next step: what is wrong is found out when one comes.
    if (isInvalidInput(error)) await explain(service, reference, work, options);
    throw error;
  }
}

function outputOf(tensors: Readonly<Record<string, Tensor>>, name: string): Tensor {
  const tensor = Object.hasOwn(tensors, name) ? tensors[name] : undefined;
  if (tensor !== undefined) return tensor;
  throw new ModelkeepError('INVALID_INPUT', `The model gave no output "${name.slice(0, 100)}"`);
}

async function explain(
  service: InferenceService,
  reference: string,
  {
    tensors,
    outputs = [],
  }: { readonly tensors: Readonly<Record<string, Tensor>>; readonly outputs?: readonly string[] },
  options: RequestOptions,
): Promise<void> {
  const { task, inputs, outputs: given } = await service.describe(reference, options);
  const also: readonly TensorInfo[] = task === undefined ? [] : [TEXT_INPUT];
  checkTensors(inputs, tensors, also);
  checkOutputs(given, outputs);
}
