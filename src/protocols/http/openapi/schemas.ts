import { ERROR_CODES, PRECISIONS } from '../../../core/index.js';
import { RUNNER_MODES } from '../../../runners/index.js';
import { BOOLEAN, INTEGER, list, NUMBER, object, ref, STRING, TIME, type Json } from './shapes.js';

const PARAMETERS: Json = { type: 'object', description: 'Free facts, as the protocol has them' };
const COUNT: Json = { type: 'integer', minimum: 0 };
const VECTOR = list(NUMBER);

const TENSOR = object(
  {
    name: STRING,
    shape: list(COUNT),
    datatype: { type: 'string', description: 'BOOL, INT8 … INT64, UINT8 … UINT64, FP16, BF16, FP32, FP64 or BYTES' },
    parameters: PARAMETERS,
    data: { type: 'array', items: {}, description: 'Values in row-major order, flat or nested as the shape says' },
  },
  ['parameters', 'data'],
);

const DECLARED = object({ name: STRING, datatype: STRING, shape: list(INTEGER) });

/** Of errors: those of the OpenAI form have a shape of their own. */
const ERRORS: Json = {
  Error: object(
    {
      error: { type: 'string', description: 'A sentence that names the wrong value and the next step' },
      code: { type: 'string', enum: Object.keys(ERROR_CODES) },
      details: { type: 'object' },
    },
    ['code', 'details'],
  ),
  OpenAiError: object({
    error: object({
      message: STRING,
      type: STRING,
      param: { type: ['string', 'null'] },
      code: { type: ['string', 'null'] },
    }),
  }),
};

const SERVICES: Json = {
  TeiError: object({
    error: STRING,
    error_type: { type: 'string', enum: ['Unhealthy', 'Backend', 'Overloaded', 'Validation', 'Tokenizer', 'Empty'] },
    code: { type: 'string', enum: Object.keys(ERROR_CODES) },
  }),
  CohereError: object({ message: STRING, code: { type: 'string', enum: Object.keys(ERROR_CODES) } }),
  TeiInfo: object({
    model_id: STRING,
    model_sha: { type: ['string', 'null'] },
    model_dtype: STRING,
    served_model_name: STRING,
    model_type: { type: 'object', description: 'embedding, reranker or classifier, with what each has' },
    max_concurrent_requests: COUNT,
    max_input_length: { type: ['integer', 'null'] },
    max_batch_tokens: COUNT,
    max_client_batch_size: COUNT,
    auto_truncate: BOOLEAN,
    version: STRING,
  }),
  RerankAnswer: object({
    id: STRING,
    model: STRING,
    object: { const: 'list' },
    results: list(
      object({ index: INTEGER, relevance_score: NUMBER, document: object({ text: STRING }) }, ['document']),
    ),
    usage: object({ prompt_tokens: INTEGER, total_tokens: INTEGER }),
    meta: { type: 'object' },
  }),
  FrontPage: object({
    name: STRING,
    version: STRING,
    documentation: STRING,
    openapi: STRING,
    models: STRING,
    health: STRING,
  }),
  ModelSummary: object({
    id: STRING,
    model: STRING,
    version: INTEGER,
    digest: { type: ['string', 'null'] },
    pipeline_tag: { type: ['string', 'null'], description: 'The task that it was published for' },
    tasks: { ...list(STRING), description: 'The tasks that it can be asked for' },
    format: { type: ['string', 'null'] },
    size: COUNT,
    ready: { type: 'boolean', description: 'Whether this node can answer at once' },
    publishedAt: TIME,
    publishedBy: { type: ['string', 'null'] },
    message: { type: ['string', 'null'] },
  }),
};

const OPEN_INFERENCE: Json = {
  ServerMetadata: object({ name: STRING, version: STRING, extensions: list(STRING) }),
  ModelMetadata: object(
    {
      name: STRING,
      versions: list(STRING),
      platform: STRING,
      inputs: list(DECLARED),
      outputs: list(DECLARED),
      parameters: { type: 'object' },
    },
    ['parameters'],
  ),
  ModelReady: object({ name: STRING, ready: BOOLEAN }),
  Tensor: TENSOR,
  InferRequest: object(
    {
      id: STRING,
      parameters: PARAMETERS,
      inputs: { type: 'array', minItems: 1, maxItems: 100, items: ref('Tensor') },
      outputs: list(object({ name: STRING, parameters: PARAMETERS }, ['parameters'])),
    },
    ['id', 'parameters', 'outputs'],
  ),
  InferAnswer: object(
    { model_name: STRING, model_version: STRING, id: STRING, parameters: PARAMETERS, outputs: list(ref('Tensor')) },
    ['id', 'parameters'],
  ),
};

const EMBEDDING = object({
  object: { const: 'embedding' },
  index: INTEGER,
  embedding: { anyOf: [VECTOR, { type: 'string', description: 'Little-endian 32-bit floats in base64' }] },
});

const OPENAI: Json = {
  EmbeddingsAnswer: object({
    object: { const: 'list' },
    data: list(EMBEDDING),
    model: STRING,
    usage: object({ prompt_tokens: INTEGER, total_tokens: INTEGER }),
  }),
  OpenAiModel: object(
    { id: STRING, object: { const: 'model' }, created: INTEGER, owned_by: STRING, version: INTEGER, task: STRING },
    ['task'],
  ),
  OpenAiModels: object({ object: { const: 'list' }, data: list(ref('OpenAiModel')) }),
};

const HOLDING = object({
  model: STRING,
  version: INTEGER,
  state: STRING,
  since: TIME,
  leases: COUNT,
  bytes: COUNT,
  runners: COUNT,
  pinned: BOOLEAN,
  precision: { type: 'string', enum: PRECISIONS, description: 'In which it answers' },
  compiled: BOOLEAN,
});

const FOLLOWED = object(
  {
    reference: STRING,
    version: INTEGER,
    since: TIME,
    shares: list(object({ version: INTEGER, percent: NUMBER })),
    shadow: INTEGER,
  },
  ['shares', 'shadow'],
);

const STORE = object({ reachable: BOOLEAN, since: TIME, error: STRING }, ['error']);

const OPERATIONS: Json = {
  Live: object({ live: BOOLEAN }),
  Ready: object({
    ready: BOOLEAN,
    store: object({ reachable: BOOLEAN, since: TIME }),
    runners: object({ serving: COUNT, missing: COUNT }),
  }),
  Status: object({
    store: STORE,
    follows: list(FOLLOWED),
    holds: list(HOLDING),
    waiting: { type: 'object', description: 'Requests that wait, by version', additionalProperties: COUNT },
    runners: list(object({ pid: INTEGER, mode: { type: 'string', enum: RUNNER_MODES }, inFlight: COUNT })),
    runnersMissing: { ...COUNT, description: 'Runners that hung or ended, and for which no other serves yet' },
    runnersHung: { ...COUNT, description: 'Runners that did not answer in time since the start, and were replaced' },
    runnerRestarts: COUNT,
  }),
};

/** The schemas of everything but the tasks. */
export const SCHEMAS: Json = { ...ERRORS, ...SERVICES, ...OPEN_INFERENCE, ...OPENAI, ...OPERATIONS };
