import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { ModelkeepError } from '../../core/index.js';
import type { InferenceService, ModelRepository } from '../../serving/index.js';
import { EXTENSIONS, infer, modelMetadata, parseModelPath } from '../open-inference/index.js';
import { sendChunks } from './compression.js';
import { JSON_LENGTH_HEADER, readInferBody, writeOutputs } from './infer-body.js';

import { repositoryIndex } from './model-repository.js';
import { bodyOf, withRawBodies } from './raw-body.js';
import { requestOptions, tellVersion, wildcard } from './request.js';

/** What {@link openInference} puts on a server. */
export interface OpenInferenceOptions {
  readonly service: InferenceService;
  readonly repository: ModelRepository;
  /** This software's version. */
  readonly version: string;
}

/** Status for a model that cannot answer at once. */
const NOT_READY = 409;

/** The model that a path is about. */
const model = (request: FastifyRequest): string => parseModelPath(wildcard(request)).reference;

/** Routes of the Open Inference Protocol v2 (REST): metadata, inference, and the index of the repository extension. */
export function openInference(server: FastifyInstance, options: OpenInferenceOptions): void {
  const { service, repository, version } = options;
  server.get('/v2', { config: { operation: 'server' } }, () => ({
    name: 'modelkeep',
    version,
    extensions: EXTENSIONS,
  }));
  withRawBodies(server, (scope) => {
    scope.get('/v2/models/*', { config: { operation: 'inspect', model } }, async (request, reply) => {
      const { reference, action } = parseModelPath(wildcard(request));
      if (action === 'infer') throw new ModelkeepError('INVALID_INPUT', 'Inference is asked for with POST');
      if (action === 'ready') {
        const ready = await service.becomesReady(reference, requestOptions(request, reply));
        // 4xx for "not ready", as the protocol has it.
        return reply.code(ready ? 200 : NOT_READY).send({ name: reference, ready });
      }
      const given = requestOptions(request, reply);
      const description = await service.describe(reference, given);
      return modelMetadata(description, await repository.versions(description.record, given));
    });
    const refusal = (request: FastifyRequest): ModelkeepError | undefined => service.refusal(model(request));
    scope.post('/v2/models/*', { config: { operation: 'infer', model, refusal } }, async (request, reply) => {
      const { reference, action } = parseModelPath(wildcard(request));
      if (action !== 'infer') throw new ModelkeepError('INVALID_INPUT', `POST is for /v2/models/${reference}/infer`);
      return answer(service, reference, request, reply);
    });
    repositoryIndex(scope, repository);
  });
}

async function answer(
  service: InferenceService,
  reference: string,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const jsonLength = request.headers[JSON_LENGTH_HEADER];
  const { id, isBinary, saysContent, ...asked } = readInferBody(bodyOf(request), jsonLength?.toString());
  const options = requestOptions(request, reply);
  const { outputs, ...by } = await infer(service, { reference, ...asked }, options);
  const written = writeOutputs(outputs, { isBinary, saysContent });
  tellVersion(reply, by);
  const json = {
    model_name: by.record.model,
    model_version: String(by.record.version),
    ...(id === undefined ? {} : { id }),
    outputs: written.outputs,
  };
  const head = Buffer.from(JSON.stringify(json), 'utf8');
  if (written.raw.length === 0) void reply.type('application/json; charset=utf-8');
  else void reply.type('application/octet-stream').header(JSON_LENGTH_HEADER, head.byteLength);
  return sendChunks(request, reply, [head, ...written.raw]);
}
