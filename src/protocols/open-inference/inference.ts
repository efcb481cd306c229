import { ModelkeepError, type Tensor } from '../../core/index.js';
import type { InferenceService, Prediction, RequestOptions } from '../../serving/index.js';
import { currentParameters, taskToServe } from '../../tasks/index.js';
import { checkOutputs, checkTensors } from './check-tensors.js';
import type { NamedTensor } from './datatypes.js';
import { TEXT_OUTPUT } from './metadata.js';
import { readTextInputs, taskOfNames, textInputsOf } from './text-inputs.js';
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
 * Answers a request: BYTES inputs go to the task of a text model, anything else to the model's tensors.
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
  if (request.inputs.every(({ tensor }) => tensor.type === 'string')) {
    const { record } = await service.follow(request.reference, limited);
    if (record.task !== undefined) return inferText(service, request, limited);
  }
  return inferTensors(service, request, limited);
}

function checkNames(what: string, names: readonly string[]): void {
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice === undefined) return;
  throw new ModelkeepError('INVALID_INPUT', `${what} "${twice.slice(0, 100)}" is named twice in the request`);
}

function isInvalidInput(error: unknown): boolean {
  return error instanceof ModelkeepError && error.code === 'INVALID_INPUT';
}

/** Text in: each answer as one JSON string of the output, so that every task fits the protocol. */
async function inferText(
  service: InferenceService,
  { reference, inputs, parameters, outputs: wanted }: InferRequest,
  options: RequestOptions,
): Promise<InferAnswer> {
  checkOutputs([TEXT_OUTPUT], wanted);
  const { task: named, ...asked } = taskParameters(parameters);
  const { output, record, form } = await service.predict(
    reference,
    ({ task: published }) => {
      if (published === undefined) throw new ModelkeepError('INVALID_INPUT', `${reference} takes tensors only`);
      const given = inputs.map(({ name }) => name);
      const task = taskToServe(published, {
        task: typeof named === 'string' ? named : taskOfNames(given),
        inputs: undefined,
        parameters: asked,
      });
      return { task, inputs: readTextInputs(task, inputs), parameters: currentParameters(task, asked).parameters };
    },
    options,
  );
  const answers = Array.isArray(output) ? output : [output];
  const tensor: Tensor = { type: 'string', dims: [answers.length], data: answers.map((one) => JSON.stringify(one)) };
  return { record, form, outputs: [{ name: TEXT_OUTPUT.name, tensor }] };
}

async function inferTensors(
  service: InferenceService,
  { reference, inputs, outputs: wanted }: InferRequest,
  options: RequestOptions,
): Promise<InferAnswer> {
  const names = await inputNames(service, reference, inputs, options);
  const tensors = Object.fromEntries(inputs.map(({ tensor }, at) => [names[at] ?? '', tensor]));
  const work = { tensors, ...(wanted.length === 0 ? {} : { outputs: wanted }) };
  try {
    const { record, form, tensors: given } = await service.infer(reference, work, options);
    const asked = wanted.length === 0 ? Object.keys(given) : wanted;
    return { record, form, outputs: asked.map((name) => ({ name, tensor: outputOf(given, name) })) };
  } catch (error) {
    // The runtime's refusals name neither input nor next step: what is wrong is found out when one comes.
    if (isInvalidInput(error)) await explain(service, reference, work, options);
    throw error;
  }
}

/**
 * Names of the inputs: where a model has one input and a request too, it may have any name.
 *
 * @throws ModelkeepError `INVALID_INPUT` for an input that the model does not have: the runtime would ignore it
 */
async function inputNames(
  service: InferenceService,
  reference: string,
  inputs: readonly NamedTensor[],
  options: RequestOptions,
): Promise<readonly string[]> {
  const names = inputs.map(({ name }) => name);
  const { task, inputs: declared } = await service.describe(reference, options);
  if (names.length === 1 && declared.length === 1) return declared.map(({ name }) => name);
  const known = new Set(declared.map(({ name }) => name));
  if (names.some((name) => !known.has(name))) {
    const also = task === undefined ? [] : textInputsOf(task);
    checkTensors(declared, Object.fromEntries(inputs.map(({ name, tensor }) => [name, tensor])), also);
  }
  return names;
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
  const also = task === undefined ? [] : textInputsOf(task);
  checkTensors(inputs, tensors, also);
  checkOutputs(given, outputs);
}
