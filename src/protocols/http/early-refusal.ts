import type { FastifyInstance } from 'fastify';
import { authorize } from '../../access/index.js';
import type { ModelkeepError } from '../../core/index.js';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Why a request would be refused now, whatever its body says. */
    refusal?: (request: FastifyRequest) => ModelkeepError | undefined;
  }
}

/**
 * Refuses what finds its queue full before its body is read: under a flood the refusals, which are most of the answers,
 * then leave the processor to the requests that are taken. To be called after `guard`, so that strangers learn nothing.
 */
export function refuseEarly(server: FastifyInstance): void {
  server.addHook('onRequest', (request, _reply, done) => {
    const { operation, model, refusal } = request.routeOptions.config;
    if (refusal === undefined) {
      done();
      return;
    }
    try {
      const { principal } = request;
      if (principal !== undefined && operation !== undefined && model !== undefined)
        authorize(principal, operation, model(request));
      done(refusal(request));
    } catch (error) {
      done(error as Error);
    }
  });
}
