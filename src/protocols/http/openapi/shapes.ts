import { HTTP_STATUS } from '../status.js';

/** A part of the document. */
export type Json = Readonly<Record<string, unknown>>;

const JSON_TYPE = 'application/json';
/** What a reference may look like, for those who read the document. */
const REFERENCE = 'NAME, NAME:VERSION, NAME@ALIAS or NAME@sha256:DIGEST; names may hold "/"';
const PART = '[a-z0-9][a-z0-9._-]*';
/** What every model's name looks like. */
export const NAME_TEXT: Json = { type: 'string', pattern: `^${PART}(/${PART})*$`, maxLength: 200 };
/** What every reference looks like. */
export const REFERENCE_TEXT: Json = { type: 'string', pattern: `^${PART}(/${PART})*([:@][a-z0-9][a-z0-9._:-]*)?$` };

/** What the framework refuses before a request becomes one of ours. */
const REFUSED: Readonly<Record<string, string>> = {
  408: 'The request did not arrive in time',
  413: 'The body is too large',
  414: 'The path is too long',
  415: 'The body has an encoding that is not known',
  431: 'The header is too large',
};

/** A body of JSON. */
export function body(schema: Json, example: Json): Json {
  return { required: true, content: { [JSON_TYPE]: { schema, example } } };
}

/** An answer of JSON. */
export function answer(description: string, schema: Json): Json {
  return { description, content: { [JSON_TYPE]: { schema } } };
}

/** Refers to a schema of the document. */
export function ref(name: string): Json {
  return { $ref: `#/components/schemas/${name}` };
}

/** An object of which all `properties` are there but the `optional` ones. */
export function object(properties: Json, optional: readonly string[] = []): Json {
  const required = Object.keys(properties).filter((name) => !optional.includes(name));
  return { type: 'object', required, properties };
}

/** A list. */
export function list(items: Json): Json {
  return { type: 'array', items };
}

/** Plain kinds of values. */
export const STRING: Json = { type: 'string' };
/** A number. */
export const NUMBER: Json = { type: 'number' };
/** A whole number. */
export const INTEGER: Json = { type: 'integer' };
/** True or false. */
export const BOOLEAN: Json = { type: 'boolean' };
/** A moment. */
export const TIME: Json = { type: 'string', format: 'date-time' };

/** A part of a path that is a reference to a version of a model. */
export function reference(name: string): Json {
  return { name, in: 'path', required: true, description: REFERENCE, schema: REFERENCE_TEXT, example: 'sentiment' };
}

/** A part of a path that is a version's number or an alias. */
export const VERSION: Json = {
  name: 'version',
  in: 'path',
  required: true,
  description: 'A version number or an alias',
  schema: STRING,
  example: '1',
};

/** How long the client waits. */
export const TIMEOUT: Json = {
  name: 'x-modelkeep-timeout-ms',
  in: 'header',
  description:
    'How long the client waits, loading included, in ms; 0: no limit. Less than a second is accepted too, and often answered with 504',
  schema: { type: 'integer', minimum: 1_000, maximum: 86_400_000 },
};

function codesOf(status: number): string {
  const codes = Object.entries(HTTP_STATUS).filter(([, other]) => other === status);
  return codes.map(([code]) => code).join(', ');
}

/** Every status that an error has, with the codes that lead to it; `schema` is the error's shape. */
export function errors(schema = 'Error'): Json {
  const statuses = [...new Set(Object.values(HTTP_STATUS))].toSorted((a, b) => a - b);
  const known = statuses.map((status) => [String(status), codesOf(status)] as const);
  const all = [...known, ...Object.entries(REFUSED)];
  return Object.fromEntries(all.map(([status, why]) => [status, answer(why, ref(schema))]));
}
