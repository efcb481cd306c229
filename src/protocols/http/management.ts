import type { FastifyInstance } from 'fastify';
import { mayUse, type Principal } from '../../access/index.js';
import { parseReference } from '../../core/index.js';
import type { ServiceStatus } from '../../serving/index.js';
import type { ApiOptions } from './api/route.js';
import { managementApi } from './api/server.js';
import { nodeMetrics, type MetricsOptions } from './metrics.js';

/** What operators use; on a port of its own where the settings say so. */
export function management(server: FastifyInstance, options: MetricsOptions & ApiOptions): void {
  const metrics = nodeMetrics(options);
  managementApi(server, options);
  server.get('/status', { config: { operation: 'read' } }, ({ principal }) =>
    statusFor(principal, options.service.status()),
  );
  server.get('/metrics', { config: { operation: 'metrics' } }, async (_request, reply) =>
    reply.type(metrics.contentType).send(await metrics.metrics()),
  );
}

/** The part of a status that is about models that the principal may use. */
function statusFor(principal: Principal | undefined, status: ServiceStatus): ServiceStatus {
  if (principal?.models === undefined) return status;
  const seen = (reference: string): boolean => mayUse(principal, parseReference(reference).model);
  return {
    ...status,
    follows: status.follows.filter(({ reference }) => seen(reference)),
    holds: status.holds.filter(({ model }) => seen(model)),
    waiting: Object.fromEntries(Object.entries(status.waiting).filter(([name]) => seen(name))),
  };
}
