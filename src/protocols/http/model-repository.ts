import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { mayUse } from '../../access/index.js';
import type { Abortable } from '../../core/index.js';
import type { ModelRepository, RequestOptions } from '../../serving/index.js';
import { parseJsonBody } from './json-body.js';
import { parseRepositoryPath, refuseParameters } from '../open-inference/index.js';
import { bodyOf, withRawBodies } from './raw-body.js';
import { checkBody, requestOptions, wildcard } from './request.js';

const indexBody = z.object({ ready: z.boolean().default(false) });
const changeBody = z.object({ parameters: z.record(z.string(), z.unknown()).default({}) });
/** `POST /v2/repository/index`: every version that the caller may use, and what this node makes of it. */
export function repositoryIndex(scope: FastifyInstance, repository: ModelRepository): void {
  scope.post('/v2/repository/index', { config: { operation: 'list' } }, async (request, reply) => {
    const { ready } = checkBody(indexBody, documentOf(request));
    const { principal } = request;
    const entries = await repository.index({ ready, ...signalOf(requestOptions(request, reply)) });
    const seen = entries.filter(({ name }) => principal === undefined || mayUse(principal, name));
    return seen.map(({ version, ...entry }) => ({ ...entry, version: String(version) }));
  });
}

/** The model that a path is about. */
const model = (request: FastifyRequest): string => parseRepositoryPath(wildcard(request)).reference;

/** `POST /v2/repository/models/{name}/load|unload`: what operators do with what this node holds. */
export function repositoryChanges(server: FastifyInstance, repository: ModelRepository): void {
  withRawBodies(server, (scope) => {
    scope.post('/v2/repository/models/*', { config: { operation: 'load', model } }, async (request, reply) => {
      const { reference, action } = parseRepositoryPath(wildcard(request));
      const { parameters } = checkBody(changeBody, documentOf(request));
      refuseParameters(parameters, action);
      const options = requestOptions(request, reply);
      if (action === 'unload') {
        await repository.unload(reference, signalOf(options));
        return { name: reference, unload: true };
      }
      const { version } = await repository.load(reference, options);
      return { name: reference, version: String(version), load: true };
    });
  });
}

function signalOf({ signal }: RequestOptions): Abortable {
  return signal === undefined ? {} : { signal };
}

/** A body may be left out. */
function documentOf(request: FastifyRequest): unknown {
  const body = bodyOf(request);
  return body.byteLength > 0 ? parseJsonBody(body) : {};
}
