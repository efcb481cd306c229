import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { ModelkeepError, type Tensor, type TensorInfo } from '../../core/index.js';
import type { InferenceService, ModelDescription, RequestOptions } from '../../serving/index.js';
import { checkTensors } from './check-tensors.js';
import { parseModelPath } from './model-path.js';
import { checkBody, requestOptions, tellVersion, wildcard } from './request.js';
import { datatypeOf, tensorFromJson, tensorToJson, type JsonTensor } from './tensors.js';

const dimension = z.number().int().nonnegative();

const inferBody = z.object({
  id: z.string().max(1_000).optional(),
  parameters: z.record(z.string(), z.unknown()).optional(),
  inputs: z
    .array(z.object({ name: z.string(), shape: z.array(dimension), datatype: z.string(), data: z.array(z.unknown()) }))
    .min(1)
    .max(100),
  outputs: z.array(z.object({ name: z.string() })).optional(),
});

type InferBody = z.infer<typeof inferBody>;

/** Name of the input that text models take, and of the output that holds each answer as JSON. */
const TEXT_INPUT: TensorInfo = { name: 'text', type: 'string', dims: [-1] };
const TEXT_OUTPUT: TensorInfo = { name: 'output', type: 'string', dims: [-1] };

/** What {@link openInference} puts on a server. */
export interface OpenInferenceOptions {
  readonly service: InferenceService;
  /** This software's version. */
  readonly version: string;
}

/** Status for a model that cannot answer at once. */
const NOT_READY = 409;

/** The model that a path is about. */
const model = (request: FastifyRequest): string => parseModelPath(wildcard(request)).reference;

/** Routes of the Open Inference Protocol v2 (REST): metadata and inference. */
export function openInference(server: FastifyInstance, { service, version }: OpenInferenceOptions): void {
  server.get('/v2', { config: { operation: 'server' } }, () => ({ name: 'modelkeep', version, extensions: [] }));
  server.get('/v2/models/*', { config: { operation: 'inspect', model } }, async (request, reply) => {
    const { reference, action } = parseModelPath(wildcard(request));
    if (action === 'infer') throw new ModelkeepError('INVALID_INPUT', 'Inference is asked for with POST');
    if (action === 'ready') {
      const ready = service.isReady(reference);
      // 4xx for "not ready", as the protocol has it.
      return reply.code(ready ? 200 : NOT_READY).send({ name: reference, ready });
    }
    return metadata(await service.describe(reference, requestOptions(request, reply)));
  });
  server.post('/v2/models/*', { config: { operation: 'infer', model } }, async (request, reply) => {
    const { reference, action } = parseModelPath(wildcard(request));
    if (action !== 'infer') throw new ModelkeepError('INVALID_INPUT', `POST is for /v2/models/${reference}/infer`);
    return infer(service, reference, request, reply);
  });
}

function describe({ name, type, dims }: TensorInfo): unknown {
  return { name, datatype: datatypeOf(type), shape: dims };
}

function metadata({ record, task, inputs, outputs }: ModelDescription): unknown {
  return {
    name: record.model,
    versions: [String(record.version)],
    platform: `modelkeep_${record.format ?? 'unknown'}`,
    inputs: (task === undefined ? inputs : [TEXT_INPUT]).map(describe),
    outputs: (task === undefined ? outputs : [TEXT_OUTPUT]).map(describe),
    ...(task === undefined ? {} : { parameters: { task } }),
  };
}

async function infer(
  service: InferenceService,
  reference: string,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<unknown> {
  const body = checkBody(inferBody, request.body);
  const options = requestOptions(request, reply);
  const [first] = body.inputs;
  const isText = body.inputs.length === 1 && first!.datatype === 'BYTES' && first!.name === TEXT_INPUT.name;
  const { outputs, ...by } = isText
    ? await answerText(service, reference, body, options)
    : await answerTensors(service, reference, body, options);
  tellVersion(reply, by);
  return {
    model_name: by.record.model,
    model_version: String(by.record.version),
    ...(body.id === undefined ? {} : { id: body.id }),
    outputs,
  };
}

/** Text in: each answer as one JSON string of the output, so that every task fits the protocol. */
async function answerText(service: InferenceService, reference: string, body: InferBody, options: RequestOptions) {
  const { data } = tensorFromJson(body.inputs[0]!);
  const { parameters } = body;
  const work = { inputs: data, ...(parameters === undefined ? {} : { parameters }) };
  const { output, record, form } = await service.predict(reference, work, options);
  const answers = Array.isArray(output) ? output : [output];
  const json: JsonTensor = {
    name: TEXT_OUTPUT.name,
    shape: [answers.length],
    datatype: 'BYTES',
    data: answers.map((one) => JSON.stringify(one)),
  };
  return { record, form, outputs: [json] };
}

async function answerTensors(service: InferenceService, reference: string, body: InferBody, options: RequestOptions) {
  const tensors = Object.fromEntries(body.inputs.map((input) => [input.name, tensorFromJson(input)]));
  const wanted = body.outputs?.map(({ name }) => name);
  const work = { tensors, ...(wanted === undefined || wanted.length === 0 ? {} : { outputs: wanted }) };
  const reply = await inferOrExplain(service, reference, work, options);
  return {
    record: reply.record,
    form: reply.form,
    outputs: Object.entries(reply.tensors).map(([name, tensor]) => tensorToJson(name, tensor)),
  };
}

/** The runtime's refusals name neither input nor next step: what is wrong is found out when one comes. */
async function inferOrExplain(
  service: InferenceService,
  reference: string,
  work: { readonly tensors: Readonly<Record<string, Tensor>>; readonly outputs?: readonly string[] },
  options: RequestOptions,
) {
  try {
    return await service.infer(reference, work, options);
  } catch (error) {
    if (error instanceof ModelkeepError && error.code === 'INVALID_INPUT') {
      checkTensors((await service.describe(reference, options)).inputs, work.tensors);
    }
    throw error;
  }
}
