import type { FastifyInstance, FastifyRequest } from 'fastify';
import { mayUse } from '../../access/index.js';
import { parseReference, type VersionRecord, type VersionStore } from '../../core/index.js';
import type { InferenceService } from '../../serving/index.js';
import { tasksServedWith } from '../../tasks/index.js';
import { requestOptions, wildcard } from './request.js';

/** What {@link frontPage} puts on a server. */
export interface FrontPageOptions {
  readonly service: InferenceService;
  readonly store: VersionStore;
  /** This software's version. */
  readonly version: string;
}

/** True for a browser that shows pages: it prefers HTML to JSON. */
function wantsPage({ headers }: FastifyRequest): boolean {
  const accepted = headers.accept ?? '';
  const html = accepted.indexOf('text/html');
  const json = accepted.indexOf('application/json');
  return html >= 0 && (json < 0 || html < json);
}

/** Where a person or a program that knows the address alone begins: what this is, and which models there are. */
export function frontPage(server: FastifyInstance, { service, store, version }: FrontPageOptions): void {
  server.get('/', { config: { operation: 'documentation' } }, (request, reply) => {
    void reply.header('vary', 'accept');
    // Relative, so that it holds behind a proxy that adds a prefix.
    if (wantsPage(request)) return reply.redirect('docs', 302);
    return reply.send({
      name: 'modelkeep',
      version,
      documentation: 'docs',
      openapi: 'openapi.json',
      models: 'models',
      health: 'v2/health/ready',
    });
  });
  server.get('/models', { config: { operation: 'list' } }, async (request, reply) => {
    const { signal } = requestOptions(request, reply);
    const { principal } = request;
    const newest = new Map<string, VersionRecord>();
    for (const record of await store.listVersions({}, { signal })) {
      if (record.state === 'ready' && (principal === undefined || mayUse(principal, record.model))) {
        newest.set(record.model, record);
      }
    }
    return [...newest.values()].map((record) => describe(service, record.model, record));
  });
  server.get('/models/*', { config: { operation: 'inspect', model: wildcard } }, async (request, reply) => {
    const reference = wildcard(request);
    const { signal } = requestOptions(request, reply);
    return describe(service, reference, await store.resolve(parseReference(reference), { signal }));
  });
}

/** A version in the words of the Hugging Face form, without loading it. */
function describe(service: InferenceService, reference: string, record: VersionRecord): object {
  const { model, version, digest, task, format, size, publishedAt, publishedBy, message } = record;
  return {
    id: reference,
    model,
    version,
    digest: digest ?? null,
    pipeline_tag: task ?? null,
    tasks: tasksServedWith(task),
    format: format ?? null,
    size,
    ready: service.isReady(`${model}:${version}`),
    publishedAt,
    publishedBy: publishedBy ?? null,
    message: message ?? null,
  };
}
