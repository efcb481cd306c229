import { z } from 'zod';
import { ERROR_CODES } from '../../core/index.js';
import { TASKS, type TaskDefinition } from '../../tasks/index.js';
import { HTTP_STATUS } from './status.js';

type Json = Readonly<Record<string, unknown>>;

const JSON_TYPE = 'application/json';
/** What a reference may look like, for those who read the document. */
const REFERENCE = 'NAME, NAME:VERSION, NAME@ALIAS or NAME@sha256:DIGEST; names may hold "/"';

function body(schema: Json): Json {
  return { required: true, content: { [JSON_TYPE]: { schema } } };
}

function answer(description: string, schema: Json = {}): Json {
  return { description, content: { [JSON_TYPE]: { schema } } };
}

function ref(name: string): Json {
  return { $ref: `#/components/schemas/${name}` };
}

function path(name: string, description: string): Json {
  return { name, in: 'path', required: true, description, schema: { type: 'string' } };
}

/** `text-classification` is `TextClassification` in the document. */
function pascal(name: string): string {
  return name.replaceAll(/(^|-)([a-z])/g, (_match, _dash, letter: string) => letter.toUpperCase());
}

/** The request of one task: its inputs, and its options with their types, bounds, defaults and meanings. */
function taskRequest({ name, summary, parameters }: TaskDefinition): Json {
  const { $schema: _schema, ...options } = z.toJSONSchema(parameters, { io: 'input' });
  return {
    type: 'object',
    title: name,
    description: summary,
    required: ['inputs'],
    properties: { inputs: { description: 'A text, a list of texts, or what the task takes' }, parameters: options },
  };
}

const TENSOR: Json = {
  type: 'object',
  required: ['name', 'shape', 'datatype', 'data'],
  properties: {
    name: { type: 'string' },
    shape: { type: 'array', items: { type: 'integer', minimum: 0 } },
    datatype: { type: 'string', description: 'BOOL, INT8 … INT64, UINT8 … UINT64, FP32, FP64 or BYTES' },
    data: { type: 'array', items: {} },
  },
};

const INFER: Json = {
  type: 'object',
  required: ['inputs'],
  properties: {
    id: { type: 'string' },
    parameters: { type: 'object' },
    inputs: { type: 'array', minItems: 1, items: ref('Tensor') },
    outputs: { type: 'array', items: { type: 'object', required: ['name'], properties: { name: { type: 'string' } } } },
  },
};

const ERROR: Json = {
  type: 'object',
  required: ['error'],
  properties: {
    error: { type: 'string', description: 'A sentence that names the wrong value and the next step' },
    code: { type: 'string', enum: Object.keys(ERROR_CODES) },
    details: { type: 'object' },
  },
};

function codesOf(status: number): string {
  const codes = Object.entries(HTTP_STATUS).filter(([, other]) => other === status);
  return codes.map(([code]) => code).join(', ');
}

/** Every status that an error code has, with the codes that lead to it. */
function errorAnswers(): Json {
  const statuses = [...new Set(Object.values(HTTP_STATUS))].toSorted((a, b) => a - b);
  return Object.fromEntries(statuses.map((status) => [String(status), answer(codesOf(status), ref('Error'))]));
}

function paths(): Json {
  const errors = errorAnswers();
  const model = path('name', REFERENCE);
  const version = path('version', 'A version number or an alias');
  const infer = {
    post: {
      summary: 'Open Inference Protocol v2: infer',
      requestBody: body(ref('InferRequest')),
      responses: { '200': answer('Outputs'), ...errors },
    },
  };
  const metadata = { get: { summary: 'Metadata of a model', responses: { '200': answer('Metadata'), ...errors } } };
  return {
    '/models/{reference}': {
      parameters: [path('reference', REFERENCE)],
      post: {
        summary: 'Hugging Face inference form: answers as the transformers pipeline of the task gives them',
        requestBody: body({ anyOf: [...TASKS.keys()].map((name) => ref(pascal(name))) }),
        responses: {
          '200': answer('The answer of the task; the headers x-modelkeep-* say which version gave it'),
          ...errors,
        },
      },
    },
    '/v2/models/{name}': { parameters: [model], ...metadata },
    '/v2/models/{name}/infer': { parameters: [model], ...infer },
    '/v2/models/{name}/versions/{version}': { parameters: [model, version], ...metadata },
    '/v2/models/{name}/versions/{version}/infer': { parameters: [model, version], ...infer },
    '/v2/health/live': { get: { summary: 'The process answers', responses: { '200': answer('Live') } } },
    '/v2/health/ready': {
      get: {
        summary: 'Requests can be answered',
        responses: { '200': answer('Ready, and whether the store answers') },
      },
    },
    '/status': { get: { summary: 'What this node holds, follows and runs', responses: { '200': answer('Status') } } },
    '/metrics': {
      get: { summary: 'Prometheus metrics', responses: { '200': { description: 'Text exposition format' } } },
    },
  };
}

/** The OpenAPI 3.1 document of the server, made from the schemas that check its requests. */
export function openApiDocument(version: string): Json {
  const tasks = [...TASKS.values()].map((task) => [pascal(task.name), taskRequest(task)]);
  return {
    openapi: '3.1.0',
    info: { title: 'modelkeep', version, license: { name: 'Apache-2.0' } },
    paths: paths(),
    components: { schemas: { Error: ERROR, Tensor: TENSOR, InferRequest: INFER, ...Object.fromEntries(tasks) } },
  };
}
