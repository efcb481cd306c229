import type { FastifyInstance } from 'fastify';

/** What pages may read of an answer beside its body. */
const EXPOSED = 'x-modelkeep-model, x-modelkeep-version, x-modelkeep-digest, x-request-id, retry-after';
/** What pages may send. */
const ALLOWED = 'authorization, content-type, x-modelkeep-timeout-ms, x-request-id, traceparent, tracestate';
/** How long a browser may remember what it was allowed, in seconds. */
const MAX_AGE_SECONDS = 600;

/** Lets pages of these origins ask this server from a browser; `*`: pages of any origin. None: no page may. */
export function cors(server: FastifyInstance, origins: readonly string[]): void {
  if (origins.length === 0) return;
  server.addHook('onRequest', async ({ method, headers }, reply) => {
    void reply.header('vary', 'origin');
    const { origin } = headers;
    if (origin === undefined || !(origins.includes('*') || origins.includes(origin))) return undefined;
    void reply.header('access-control-allow-origin', origin).header('access-control-expose-headers', EXPOSED);
    // The browser asks first, without credentials, whether the page may ask.
    if (method !== 'OPTIONS' || headers['access-control-request-method'] === undefined) return undefined;
    return reply
      .code(204)
      .header('access-control-allow-methods', 'GET, POST, PUT, PATCH, DELETE')
      .header('access-control-allow-headers', ALLOWED)
      .header('access-control-max-age', String(MAX_AGE_SECONDS))
      .send();
  });
}
