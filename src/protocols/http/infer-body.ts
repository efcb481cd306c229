import { z } from 'zod';
import { ModelkeepError } from '../../core/index.js';
import {
  checkTensorParameters,
  contentTypeOf,
  saysContentType,
  rawOf,
  tensorFromJson,
  tensorFromRaw,
  tensorToJson,
  datatypeOf,
  type NamedTensor,
  type Parameters,
} from '../open-inference/index.js';
import { parseJsonBody } from './json-body.js';
import { checkBody } from './request.js';

/** Says how many bytes of a body are its JSON; the rest are tensors in raw form, as the extension has it. */
export const JSON_LENGTH_HEADER = 'inference-header-content-length';

const dimension = z.number().int().nonnegative();
const parameters = z.record(z.string(), z.unknown()).default({});
/** Taken as it is: each of the values is looked at when its datatype is known. */
const values = z.custom<readonly unknown[]>((data) => Array.isArray(data), { message: 'give a list' });
const bytesSize = z.number().int().nonnegative();

const input = z.object({
  name: z.string(),
  shape: z.array(dimension).max(32),
  datatype: z.string(),
  parameters,
  data: values.optional(),
});

const inferBody = z.object({
  id: z.string().max(1_000).optional(),
  parameters,
  inputs: z.array(input).min(1).max(100),
  outputs: z
    .array(z.object({ name: z.string(), parameters }))
    .max(1_000)
    .default([]),
});

/** A request that came over HTTP. */
export interface HttpInferRequest {
  readonly id: string | undefined;
  readonly parameters: Parameters;
  readonly inputs: readonly NamedTensor[];
  readonly outputs: readonly string[];
  /** True if the outputs have to say their content type, as the inputs did. */
  readonly saysContent: boolean;
  /** True if an output is to be sent in raw form. */
  readonly isBinary: (output: string) => boolean;
}

/**
 * Reads the body of an inference request: JSON alone, or JSON and behind it the raw tensors that it names.
 *
 * @param jsonLength the value of {@link JSON_LENGTH_HEADER}, if it was sent
 * @throws ModelkeepError `INVALID_INPUT` naming the header, field or input
 */
export function readInferBody(body: Buffer, jsonLength: string | undefined): HttpInferRequest {
  const split = jsonLength === undefined ? body.byteLength : lengthOf(jsonLength, body.byteLength);
  const json = checkBody(inferBody, parseJsonBody(body.subarray(0, split)));
  const inputs = readInputs(json.inputs, body.subarray(split));
  const all = booleanOf('binary_data_output', json.parameters, 'The request') ?? false;
  const binary = new Map(
    json.outputs.map(({ name, parameters: own }) => {
      checkTensorParameters(`Output "${name.slice(0, 100)}"`, own);
      return [name, booleanOf('binary_data', own, `Output "${name.slice(0, 100)}"`) ?? all];
    }),
  );
  return {
    id: json.id,
    parameters: json.parameters,
    inputs,
    outputs: json.outputs.map(({ name }) => name),
    saysContent: saysContentType(json.parameters) || json.inputs.some((one) => saysContentType(one.parameters)),
    isBinary: (output) => binary.get(output) ?? all,
  };
}

function wrong(message: string): ModelkeepError {
  return new ModelkeepError('INVALID_INPUT', message);
}

function lengthOf(header: string, bodyLength: number): number {
  const length = /^[0-9]{1,15}$/.test(header) ? Number(header) : Number.NaN;
  if (length <= bodyLength) return length;
  throw wrong(
    `Header ${JSON_LENGTH_HEADER} is ${JSON.stringify(header.slice(0, 40))}: give the bytes of the JSON at the ` +
      `beginning of the body, which has ${bodyLength}`,
  );
}

function booleanOf(name: string, given: Parameters, whose: string): boolean | undefined {
  const value = given[name];
  if (value === undefined || typeof value === 'boolean') return value;
  throw wrong(`${whose} has the parameter "${name}" ${JSON.stringify(value)?.slice(0, 40)}: give true or false`);
}

function readInputs(inputs: readonly z.infer<typeof input>[], binary: Buffer): readonly NamedTensor[] {
  let at = 0;
  const tensors = inputs.map(({ parameters: own, data, ...head }): NamedTensor => {
    const { name } = head;
    checkTensorParameters(`Input "${name.slice(0, 100)}"`, own);
    const size = own.binary_data_size;
    if (size === undefined) {
      if (data === undefined) throw wrong(`Input "${name}" has neither "data" nor the parameter "binary_data_size"`);
      return { name, tensor: tensorFromJson({ ...head, data }) };
    }
    const bytes = bytesSize.safeParse(size);
    if (!bytes.success) throw wrong(`Input "${name}" has a "binary_data_size" that is no whole number of bytes`);
    if (data !== undefined) throw wrong(`Input "${name}" has both "data" and the parameter "binary_data_size"`);
    const end = at + bytes.data;
    if (end > binary.byteLength) {
      throw wrong(
        `Input "${name}" has a "binary_data_size" of ${bytes.data}, ${binary.byteLength - at} bytes are left`,
      );
    }
    const tensor = tensorFromRaw(head, binary.subarray(at, end));
    at = end;
    return { name, tensor };
  });
  if (at === binary.byteLength) return tensors;
  throw wrong(`${binary.byteLength - at} bytes of binary data are left over: no "binary_data_size" names them`);
}

/** An answer in parts: what is said of it in JSON, and behind it the raw forms of the outputs that were asked for so. */
export interface HttpInferAnswer {
  readonly outputs: readonly object[];
  readonly raw: readonly Buffer[];
}

/** Writes outputs, each as the request wants it. @throws ModelkeepError `UNSUPPORTED_FORMAT` for what JSON cannot hold */
export function writeOutputs(
  outputs: readonly NamedTensor[],
  { isBinary, saysContent }: Pick<HttpInferRequest, 'isBinary' | 'saysContent'>,
): HttpInferAnswer {
  const raw: Buffer[] = [];
  const described = outputs.map((output) => {
    const { name, tensor } = output;
    const content = saysContent ? { content_type: contentTypeOf(tensor) } : {};
    if (!isBinary(name)) return { ...tensorToJson(output), ...(saysContent ? { parameters: content } : {}) };
    const bytes = rawOf(tensor);
    raw.push(bytes);
    const { type, dims: shape } = tensor;
    return { name, datatype: datatypeOf(type), shape, parameters: { ...content, binary_data_size: bytes.byteLength } };
  });
  return { outputs: described, raw };
}
