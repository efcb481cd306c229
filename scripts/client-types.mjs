/** `node scripts/client-types.mjs`: writes src/client/schema.ts from the OpenAPI document of the built server. */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { root } from './set-up.mjs';

const HEAD = `/**
 * What goes over HTTP, from the server's OpenAPI document. Made by scripts/client-types.mjs, and held to the document
 * by a test: do not edit.
 */
`;

/** The type of a schema, in TypeScript. */
function typeOf(schema) {
  if (schema.$ref !== undefined) return schema.$ref.split('/').at(-1);
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum !== undefined) return schema.enum.map((value) => JSON.stringify(value)).join(' | ');
  const several = schema.anyOf ?? schema.oneOf;
  if (several !== undefined) return several.map(typeOf).join(' | ');
  if (Array.isArray(schema.type)) return schema.type.map((type) => typeOf({ ...schema, type })).join(' | ');
  if (schema.type === 'array') return `readonly ${elementOf(schema.items ?? {})}[]`;
  if (schema.type === 'object') return objectOf(schema);
  return (
    { string: 'string', number: 'number', integer: 'number', boolean: 'boolean', null: 'null' }[schema.type] ??
    'unknown'
  );
}

/** A type that `[]` can follow. */
function elementOf(schema) {
  const isPlain =
    ['string', 'number', 'integer', 'boolean', 'object'].includes(schema.type) && schema.enum === undefined;
  return isPlain || schema.$ref !== undefined ? typeOf(schema) : `(${typeOf(schema)})`;
}

function objectOf({ properties, required = [], additionalProperties }) {
  if (properties === undefined || Object.keys(properties).length === 0) {
    const values = typeof additionalProperties === 'object' ? typeOf(additionalProperties) : 'unknown';
    return `Readonly<Record<string, ${values}>>`;
  }
  const fields = Object.entries(properties).map(([name, schema]) => {
    const about = schema.description === undefined ? '' : `/** ${schema.description} */\n`;
    const key = /^[A-Za-z_]\w*$/.test(name) ? name : JSON.stringify(name);
    return `${about}readonly ${key}${required.includes(name) ? '' : '?'}: ${typeOf(schema)};`;
  });
  return `{\n${fields.join('\n')}\n}`;
}

/** The types of a document's schemas, not formatted. */
export function clientTypes(document) {
  const types = Object.entries(document.components.schemas).map(([name, schema]) => {
    const about = `/** ${schema.description ?? schema.title ?? `\`${name}\` of the document.`} */`;
    return `${about}\nexport type ${name} = ${typeOf(schema)};\n`;
  });
  return `${HEAD}\n${types.join('\n')}`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { openApiDocument } = await import(`${root}dist/protocols/http/openapi/document.js`);
  writeFileSync(`${root}src/client/schema.ts`, clientTypes(openApiDocument('', true)));
}
