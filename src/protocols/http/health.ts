import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { InferenceService } from '../../serving/index.js';

/** Health of the process and of the service, for whoever watches them: without names, places or reasons. */
export function health(server: FastifyInstance, { service }: { readonly service: InferenceService }): void {
  const config = { operation: 'health' } as const;
  server.get('/v2/health/live', { config }, () => ({ live: true }));
  // Ready although the store is away: what is resident is served on. The body says so, `/status` says why. Not ready
  // while no runner serves: every one of them hung or ended, and others are being started.
  const answerReady = (_request: FastifyRequest, reply: FastifyReply): object => {
    const { ready } = service;
    const { store, runnersMissing: missing, runners } = service.status();
    const { reachable, since } = store;
    void reply.status(ready ? 200 : 503);
    return { ready, store: { reachable, since }, runners: { serving: runners.length, missing } };
  };
  // Under the last three where other servers have it: Text Embeddings Inference, SageMaker, Kubernetes by custom.
  for (const path of ['/v2/health/ready', '/health', '/healthz', '/ping']) server.get(path, { config }, answerReady);
}
