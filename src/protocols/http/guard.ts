import type { FastifyInstance } from 'fastify';
import { authorize, OPERATIONS, type Access, type Operation, type Principal } from '../../access/index.js';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** What the route does, in the words of `access/`; every route names it. */
    operation?: Operation;
    /** The model, or the reference to a version of one, that a request is about. */
    model?: (request: FastifyRequest) => string;
  }
  interface FastifyRequest {
    /** Who asks; absent where nobody is asked for credentials. */
    principal: Principal | undefined;
  }
}

/** Lets in only those who may do what a route does; a route that does not name its operation is a defect. */
export function guard(server: FastifyInstance, access: Access): void {
  server.decorateRequest('principal', undefined);
  server.addHook('onRoute', ({ method, url, config }) => {
    if (config?.operation === undefined) {
      throw new Error(`${String(method)} ${url} does not say which operation it is: give it config.operation`);
    }
  });
  // Before the body is read: strangers cannot make the server work.
  server.addHook('onRequest', async (request) => {
    const { operation } = request.routeOptions.config;
    if (operation === undefined || OPERATIONS[operation] === 'open') return;
    request.principal = await access.authenticate(request.headers.authorization);
    authorize(request.principal, operation);
  });
  server.addHook('preHandler', async (request) => {
    const { operation, model } = request.routeOptions.config;
    if (operation === undefined || model === undefined || request.principal === undefined) return;
    authorize(request.principal, operation, model(request));
  });
}
