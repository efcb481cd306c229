import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { mayUse } from '../../access/index.js';
import { ModelkeepError, parseReference, type VersionRecord, type VersionStore } from '../../core/index.js';
import type { InferenceService } from '../../serving/index.js';
import { base64Of, encodingFormat } from './encoding-format.js';
import { checkBody, requestOptions, tellVersion, wildcard } from './request.js';

/** What {@link openAi} puts on a server. */
export interface OpenAiOptions {
  readonly service: InferenceService;
  readonly store: VersionStore;
}

/** Most texts of one request, as the API's own bound has it. */
const MAX_INPUTS = 2_048;
const TASK = 'sentence-embeddings';

const tokens = z.array(z.number().int().nonnegative()).min(1);

/** The body of `POST /v1/embeddings`. */
export const embeddingsBody = z.object({
  model: z.string().min(1).describe('A reference: NAME, NAME:VERSION or NAME@ALIAS'),
  input: z
    .union([z.string(), tokens, z.array(z.string()).min(1).max(MAX_INPUTS), z.array(tokens).min(1).max(MAX_INPUTS)])
    .describe('A text, a list of texts, the ids of the tokens of one text, or a list of these'),
  encoding_format: encodingFormat.default('float').describe('base64: little-endian 32-bit floats'),
  dimensions: z.number().int().positive().optional().describe('How many of the first numbers of each vector to give'),
  user: z.string().optional().describe('Accepted for compatibility'),
});

/** The model of a body that was not checked yet; a malformed one is told when it is. */
function modelOf({ body }: FastifyRequest): string {
  return checkBody(z.object({ model: z.string().min(1) }), body).model;
}

/** The OpenAI form: embeddings, and which models there are. */
export function openAi(server: FastifyInstance, { service, store }: OpenAiOptions): void {
  server.post('/v1/embeddings', { config: { operation: 'infer', model: modelOf } }, async (request, reply) => {
    const { model, input, encoding_format, dimensions } = checkBody(embeddingsBody, request.body);
    const inputs = isOne(input) ? [input] : input;
    const parameters = dimensions === undefined ? {} : { dimensions };
    const answered = await service.predict(
      model,
      (record) => {
        checkTask(record);
        return { inputs, parameters };
      },
      requestOptions(request, reply),
    );
    tellVersion(reply, answered);
    const vectors = answered.output as readonly (readonly number[])[];
    const used = answered.tokens ?? 0;
    return {
      object: 'list',
      data: vectors.map((vector, index) => ({
        object: 'embedding',
        index,
        embedding: encoding_format === 'base64' ? base64Of(vector) : vector,
      })),
      model,
      usage: { prompt_tokens: used, total_tokens: used },
    };
  });
  server.get('/v1/models', { config: { operation: 'list' } }, async ({ principal }) => {
    const versions = await store.listVersions();
    const newest = new Map(versions.filter(({ state }) => state === 'ready').map((record) => [record.model, record]));
    const seen = [...newest.values()].filter(({ model }) => principal === undefined || mayUse(principal, model));
    return { object: 'list', data: seen.map((record) => describe(record.model, record)) };
  });
  server.get('/v1/models/*', { config: { operation: 'inspect', model: wildcard } }, async (request, reply) => {
    const id = wildcard(request);
    const { signal } = requestOptions(request, reply);
    return describe(id, await store.resolve(parseReference(id), signal === undefined ? {} : { signal }));
  });
}

function describe(id: string, { publishedAt, publishedBy, version, task }: VersionRecord): unknown {
  return {
    id,
    object: 'model',
    created: Math.floor(publishedAt.getTime() / 1_000),
    owned_by: publishedBy ?? 'modelkeep',
    version,
    ...(task === undefined ? {} : { task }),
  };
}

/** @throws ModelkeepError `INVALID_INPUT` for a model that gives no embeddings */
function checkTask({ model, task }: VersionRecord): void {
  if (task === TASK) return;
  const is = task === undefined ? 'takes tensors only' : `is for ${task}`;
  throw new ModelkeepError(
    'INVALID_INPUT',
    `The model "${model}" gives no embeddings, it ${is}: publish one with --task ${TASK}`,
  );
}

function isOne(input: z.infer<typeof embeddingsBody>['input']): input is string | number[] {
  return typeof input === 'string' || typeof input[0] === 'number';
}
