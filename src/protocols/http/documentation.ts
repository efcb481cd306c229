import type { FastifyInstance } from 'fastify';
import type { Access } from '../../access/index.js';
import { docsPage } from './docs-page.js';
import { openApiDocument } from './openapi/document.js';

/** What is spoken here: the OpenAPI document, and a page of it. */
export function documentation(
  server: FastifyInstance,
  { version, access }: { readonly version: string; readonly access: Access },
): void {
  const config = { operation: 'documentation' } as const;
  const document = openApiDocument(version, access.required);
  const page = docsPage(document);
  server.get('/openapi.json', { config }, () => document);
  server.get('/docs', { config }, (_request, reply) =>
    reply
      .type('text/html; charset=utf-8')
      .header('content-security-policy', "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'")
      .header('x-content-type-options', 'nosniff')
      .send(page),
  );
}
