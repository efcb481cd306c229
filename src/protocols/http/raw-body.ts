import type { FastifyInstance, FastifyRequest } from 'fastify';

/** Puts routes on a server that read their bodies themselves: JSON with raw tensors behind it, or nothing at all. */
export function withRawBodies(server: FastifyInstance, routes: (scope: FastifyInstance) => void): void {
  void server.register((scope, _options, done) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, parsed) => parsed(null, body));
    routes(scope);
    done();
  });
}

/** The bytes of such a body; none if there is none. */
export function bodyOf({ body }: FastifyRequest): Buffer {
  return Buffer.isBuffer(body) ? body : Buffer.alloc(0);
}
