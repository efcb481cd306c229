import { z } from 'zod';
import { rerankBody } from '../rerank.js';
import { TEI_ACTIONS, type TeiAction } from '../tei/index.js';
import {
  answer,
  body,
  errors,
  INTEGER,
  list,
  NUMBER,
  object,
  ref,
  reference,
  STRING,
  TIMEOUT,
  type Json,
} from './shapes.js';

const TEI = ['Text Embeddings Inference form'];
const RERANK = ['Rerank form'];

const VECTOR = list(NUMBER);
const LABELS = list(object({ label: STRING, score: NUMBER }));
const NULLABLE: Json = { type: ['integer', 'null'] };

/** Examples and answers of the actions. */
const SHAPES: Readonly<Record<TeiAction, { readonly example: Json; readonly output: Json }>> = {
  embed: { example: { inputs: ['A cat sleeps.'], truncate: true }, output: list(VECTOR) },
  embed_all: { example: { inputs: ['A cat sleeps.'] }, output: list(list(VECTOR)) },
  embed_sparse: {
    example: { inputs: ['A cat sleeps.'] },
    output: list(list(object({ index: INTEGER, value: NUMBER }))),
  },
  rerank: {
    example: { query: 'Which animal sleeps?', texts: ['A cat sleeps.', 'It rains.'] },
    output: list(object({ index: INTEGER, score: NUMBER, text: STRING }, ['text'])),
  },
  predict: { example: { inputs: 'Happy coding !!!' }, output: { anyOf: [LABELS, list(LABELS)] } },
  similarity: {
    example: { inputs: { source_sentence: 'A cat sleeps.', sentences: ['A cat rests.'] } },
    output: VECTOR,
  },
  tokenize: {
    example: { inputs: 'A cat sleeps.' },
    output: list(
      list(object({ id: INTEGER, text: STRING, special: { type: 'boolean' }, start: NULLABLE, stop: NULLABLE })),
    ),
  },
  decode: { example: { ids: [[101, 102]] }, output: list(STRING) },
};

/** Header and query that name the model where the path does not. */
const NAMED: readonly Json[] = [
  {
    name: 'x-modelkeep-model',
    in: 'header',
    description: 'The model; else the query, the body, or the default of the server',
    schema: STRING,
    example: 'embeddings',
  },
  { name: 'model', in: 'query', description: 'The model, where no header names it', schema: STRING },
];

/** Every status of an error, and those that this form alone has. */
function teiErrors(): Json {
  const failed = { '424': answer('The model cannot do what is asked', ref('TeiError')) };
  return { ...errors('TeiError'), ...failed };
}

function schemaOf(definition: z.ZodType): Json {
  const { $schema: _schema, ...schema } = z.toJSONSchema(definition, { io: 'input' });
  return schema;
}

/** The paths of Text Embeddings Inference, for a model that a request names and below `/tei/`. */
function teiPaths(): Json {
  const paths: Record<string, Json> = {};
  for (const [action, { body: definition, summary }] of Object.entries(TEI_ACTIONS)) {
    const { example, output } = SHAPES[action as TeiAction];
    const post = (operationId: string): Json => ({
      tags: TEI,
      operationId,
      summary,
      requestBody: body(schemaOf(definition), example),
      responses: { '200': answer(summary, output), ...teiErrors() },
    });
    paths[`/${action}`] = { post: { ...post(`tei_${action}`), parameters: [...NAMED, TIMEOUT] } };
    paths[`/tei/{reference}/${action}`] = {
      parameters: [reference('reference')],
      post: { ...post(`tei_${action}_of`), parameters: [TIMEOUT] },
    };
  }
  const info = (operationId: string): Json => ({
    tags: TEI,
    operationId,
    summary: 'What a model is, and the limits of this server',
    responses: { '200': answer('Facts', ref('TeiInfo')), ...teiErrors() },
  });
  const root = (operationId: string): Json => ({
    tags: TEI,
    operationId,
    summary: 'The action that the model is for: embed, embed_sparse, predict, rerank or similarity',
    requestBody: body({ type: 'object' }, { inputs: ['A cat sleeps.'] }),
    responses: { '200': answer('The answer of that action', {}), ...teiErrors() },
  });
  return {
    ...paths,
    '/info': { get: { ...info('tei_info'), parameters: NAMED } },
    '/tei/{reference}/info': { parameters: [reference('reference')], get: info('tei_info_of') },
    '/tei/{reference}/health': {
      parameters: [reference('reference')],
      get: {
        tags: TEI,
        operationId: 'tei_health_of',
        summary: 'The model can answer; it is loaded if need be',
        responses: { '200': { description: 'It can' }, ...teiErrors() },
      },
    },
    '/tei/{reference}': {
      parameters: [reference('reference')],
      get: {
        tags: TEI,
        operationId: 'tei_health_root_of',
        summary: 'The model can answer; it is loaded if need be',
        responses: { '200': { description: 'It can' }, ...teiErrors() },
      },
      post: { ...root('tei_root_of'), parameters: [TIMEOUT] },
    },
    '/': {
      get: {
        tags: ['Operations'],
        security: [],
        operationId: 'frontPage',
        summary: 'What this server is; a browser is sent to its documentation',
        responses: {
          '200': answer('Where to go on', ref('FrontPage')),
          '302': { description: 'To the documentation' },
        },
      },
      post: { ...root('tei_root'), parameters: [...NAMED, TIMEOUT] },
    },
  };
}

function rerankPath(operationId: string, schema: string): Json {
  return {
    post: {
      tags: RERANK,
      operationId,
      summary: 'Documents by how well they answer a query',
      parameters: [TIMEOUT],
      requestBody: body(schemaOf(rerankBody), {
        model: 'ranking',
        query: 'Which animal sleeps?',
        documents: ['A cat sleeps.', 'It rains.'],
      }),
      responses: { '200': answer('Documents, best first', ref('RerankAnswer')), ...errors(schema) },
    },
  };
}

/** Reranking as Cohere and Jina have it. */
function rerankPaths(): Json {
  return { '/v1/rerank': rerankPath('rerank', 'OpenAiError'), '/v2/rerank': rerankPath('rerankV2', 'CohereError') };
}

/** The forms of services for embeddings and ranking. */
export function servicePaths(): Json {
  return { ...teiPaths(), ...rerankPaths() };
}
