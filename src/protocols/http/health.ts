import type { FastifyInstance } from 'fastify';
import type { InferenceService } from '../../serving/index.js';

/** Health of the process and of the service, for whoever watches them: without names, places or reasons. */
export function health(server: FastifyInstance, { service }: { readonly service: InferenceService }): void {
  const config = { operation: 'health' } as const;
  server.get('/v2/health/live', { config }, () => ({ live: true }));
  // Ready although the store is away: what is resident is served on. The body says so, `/status` says why.
  const ready = (): object => {
    const { reachable, since } = service.status().store;
    return { ready: true, store: { reachable, since } };
  };
  server.get('/v2/health/ready', { config }, ready);
  // Where other servers have it: Text Embeddings Inference, SageMaker, Kubernetes by custom.
  for (const path of ['/health', '/healthz', '/ping']) server.get(path, { config }, ready);
}
