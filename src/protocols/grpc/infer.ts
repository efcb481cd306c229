import { ModelkeepError } from '../../core/index.js';
import type { InferenceService } from '../../serving/index.js';
import {
  checkTensorParameters,
  contentTypeOf,
  saysContentType,
  datatypeOf,
  infer,
  rawOf,
  referenceWithVersion,
  tensorFromRaw,
  type NamedTensor,
  type Parameters,
  type TensorHead,
} from '../open-inference/index.js';
import { contentsOf, hasContents, tensorFromContents, type InferTensorContents } from './contents.js';
import type { Call } from './unary.js';

/** A message `InferParameter`: the field that is set, by the name of the choice. */
export interface InferParameter {
  readonly parameter_choice?: string;
  readonly [field: string]: unknown;
}

type ParameterMap = Readonly<Record<string, InferParameter>>;

interface InputTensor {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly string[];
  readonly parameters: ParameterMap;
  readonly contents: InferTensorContents | null;
}

/** A message `ModelInferRequest`. */
export interface ModelInferRequest {
  readonly model_name: string;
  readonly model_version: string;
  readonly id: string;
  readonly parameters: ParameterMap;
  readonly inputs: readonly InputTensor[];
  readonly outputs: readonly { readonly name: string; readonly parameters: ParameterMap }[];
  readonly raw_input_contents: readonly Buffer[];
}

/** Most tensors of a request, as over HTTP. */
const MOST_INPUTS = 100;
const MOST_DIMENSIONS = 32;
const LONGEST_ID = 1_000;

function wrong(message: string): ModelkeepError {
  return new ModelkeepError('INVALID_INPUT', message);
}

/** The values of parameters. @throws ModelkeepError `INVALID_INPUT` for one without a value, or beyond 2^53 */
export function parametersOf(map: ParameterMap): Parameters {
  return Object.fromEntries(
    Object.entries(map).map(([name, { parameter_choice: choice, ...fields }]) => {
      const value = choice === undefined ? undefined : fields[choice];
      if (value === undefined) throw wrong(`The parameter "${name.slice(0, 100)}" has no value`);
      if (choice !== 'int64_param' && choice !== 'uint64_param') return [name, value];
      const number = Number(value);
      if (Number.isSafeInteger(number)) return [name, number];
      throw wrong(
        `The parameter "${name.slice(0, 100)}" is ${value as string}: numbers go to ${Number.MAX_SAFE_INTEGER}`,
      );
    }),
  );
}

function headOf({ name, datatype, shape }: InputTensor): TensorHead {
  const dims = shape.map(Number);
  const odd = dims.find((dim) => !Number.isSafeInteger(dim) || dim < 0);
  if (odd !== undefined) throw wrong(`Input "${name}" has the dimension ${odd} in its shape: give 0 or more`);
  if (dims.length > MOST_DIMENSIONS)
    throw wrong(`Input "${name}" has ${dims.length} dimensions, ${MOST_DIMENSIONS} at most`);
  return { name, datatype, shape: dims };
}

function readInputs({ inputs, raw_input_contents: raw }: ModelInferRequest): readonly NamedTensor[] {
  if (inputs.length === 0) throw wrong('The request has no inputs');
  if (inputs.length > MOST_INPUTS) throw wrong(`The request has ${inputs.length} inputs, ${MOST_INPUTS} at most`);
  if (raw.length > 0 && raw.length !== inputs.length) {
    throw wrong(
      `The request has ${inputs.length} inputs and ${raw.length} raw_input_contents: give one for each input`,
    );
  }
  return inputs.map((input, index) => {
    const head = headOf(input);
    checkTensorParameters(`Input "${input.name}"`, parametersOf(input.parameters));
    const bytes = raw[index];
    if (bytes === undefined) return { name: input.name, tensor: tensorFromContents(head, input.contents ?? {}) };
    if (Object.values(input.contents ?? {}).some((values: readonly unknown[]) => values.length > 0)) {
      throw wrong(`Input "${input.name}" has contents beside the raw_input_contents of the request: give one of them`);
    }
    return { name: input.name, tensor: tensorFromRaw(head, bytes) };
  });
}

/** Answers `ModelInfer`. @throws ModelkeepError `INVALID_INPUT` naming the field, or what the service says */
export async function modelInfer(
  service: InferenceService,
  { request, options, authorize }: Call<ModelInferRequest>,
): Promise<object> {
  const reference = authorize(referenceWithVersion(request.model_name, request.model_version));
  if (request.id.length > LONGEST_ID) throw wrong(`Field "id" has more than ${LONGEST_ID} characters`);
  for (const { name, parameters } of request.outputs)
    checkTensorParameters(`Output "${name}"`, parametersOf(parameters));
  const asked = {
    reference,
    inputs: readInputs(request),
    parameters: parametersOf(request.parameters),
    outputs: request.outputs.map(({ name }) => name),
  };
  const { record, outputs } = await infer(service, asked, options);
  const isRaw = request.raw_input_contents.length > 0 || !outputs.every(({ tensor }) => hasContents(tensor));
  const saysContent =
    saysContentType(asked.parameters) || request.inputs.some((input) => saysContentType(input.parameters));
  return {
    model_name: record.model,
    model_version: String(record.version),
    id: request.id,
    outputs: outputs.map(({ name, tensor }) => ({
      name,
      datatype: datatypeOf(tensor.type),
      shape: tensor.dims,
      ...(saysContent ? { parameters: { content_type: { string_param: contentTypeOf(tensor) } } } : {}),
      ...(isRaw ? {} : { contents: contentsOf(tensor) }),
    })),
    raw_output_contents: isRaw ? outputs.map(({ tensor }) => rawOf(tensor)) : [],
  };
}
