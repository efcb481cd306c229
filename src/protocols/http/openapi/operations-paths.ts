import { answer, errors, ref, type Json } from './shapes.js';

const TAGS = ['Operations'];

function text(description: string, type: string): Json {
  return { description, content: { [type]: { schema: { type: 'string' } } } };
}

/** Health, status, metrics and documentation. */
export function operationsPaths(): Json {
  const open = { tags: TAGS, security: [] };
  const responses = {
    '200': answer('Ready', ref('Ready')),
    '503': answer('No runner serves; others are being started', ref('Ready')),
  };
  return {
    '/v2/health/live': {
      get: {
        ...open,
        operationId: 'live',
        summary: 'The process answers',
        responses: { '200': answer('Live', ref('Live')) },
      },
    },
    '/v2/health/ready': {
      get: {
        ...open,
        operationId: 'ready',
        summary: 'Requests can be answered, and whether the store answers too',
        responses,
      },
    },
    ...Object.fromEntries(
      ['/health', '/healthz', '/ping'].map((path) => [
        path,
        {
          get: {
            ...open,
            operationId: `ready${path.replace('/', '_')}`,
            summary: 'As /v2/health/ready, where other servers have it',
            responses,
          },
        },
      ]),
    ),
    '/status': {
      get: {
        tags: TAGS,
        operationId: 'status',
        summary: 'What this node holds, follows and runs',
        responses: { '200': answer('Status', ref('Status')), ...errors() },
      },
    },
    '/metrics': {
      get: {
        tags: TAGS,
        operationId: 'metrics',
        summary: 'Prometheus metrics',
        responses: { '200': text('Text exposition format', 'text/plain'), ...errors() },
      },
    },
    '/openapi.json': {
      get: {
        ...open,
        operationId: 'openapi',
        summary: 'This document',
        responses: { '200': answer('OpenAPI 3.1', { type: 'object' }) },
      },
    },
    '/docs': {
      get: {
        ...open,
        operationId: 'docs',
        summary: 'This document as a page',
        responses: { '200': text('The page', 'text/html') },
      },
    },
  };
}
