import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { openApiDocument } from '../../../src/protocols/http/openapi/document.js';

/** The types alone: a description that is worded anew breaks nobody. */
const plain = (text: string) => text.replaceAll(/\/\*[^]*?\*\//g, '').replaceAll(/[\s;,|()'"]+/g, '');

test('the client’s types are those of the OpenAPI document', async () => {
  const script = fileURLToPath(new URL('../../../scripts/client-types.mjs', import.meta.url));
  const { clientTypes } = (await import(script)) as { clientTypes: (document: unknown) => string };
  const written = readFileSync(fileURLToPath(new URL('../../../src/client/schema.ts', import.meta.url)), 'utf8');
  // Run `node scripts/client-types.mjs` after a change of the document.
  expect(plain(written)).toBe(plain(clientTypes(openApiDocument('', true))));
});

test('the client imports nothing but itself', () => {
  const folder = fileURLToPath(new URL('../../../src/client/', import.meta.url));
  for (const name of ['client', 'error', 'options', 'task-types', 'tensors', 'transport', 'schema', 'index']) {
    const imports = [
      ...readFileSync(`${folder}${name}.ts`, 'utf8')
        .replaceAll(/\/\*[^]*?\*\//g, '')
        .matchAll(/from '([^']+)'/g),
    ].map(([, path]) => path);
    expect(imports.filter((path) => path?.startsWith('./') !== true)).toEqual([]);
  }
});
