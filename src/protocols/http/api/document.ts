import { z } from 'zod';
import { OPERATIONS } from '../../../access/index.js';
import { errors, list, NAME_TEXT, object, REFERENCE_TEXT, STRING, type Json } from '../openapi/shapes.js';
import { API_PREFIX, type ApiRoute } from './route.js';
import { API_ROUTES } from './routes.js';

const BYTES: Json = { type: 'string', format: 'binary' };
/** What the parts of a path look like, by their names there. */
const PATH_PARTS: Readonly<Record<string, Json>> = {
  ref: REFERENCE_TEXT,
  model: NAME_TEXT,
  digest: { type: 'string', pattern: '^sha256:[0-9a-f]{64}$' },
};
/** What the operation gives: an object or a list, as the command of the same name gives it with `--json`. */
const RESULT: Json = { type: ['object', 'array'] };
/** What those who ask for lines get, a document each. */
const LINES = list({ anyOf: ['progress', 'result', 'error'].map((name) => object({ [name]: {} })) });

function schemaOf(schema: z.ZodType): Json {
  const { $schema: _schema, ...rest } = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });
  return rest;
}

/** `/versions/:ref/files/*` as the document writes it. */
function documented(url: string): string {
  return `${API_PREFIX}${url}`.replaceAll(/:(\w+)/g, '{$1}').replace('*', '{path}');
}

function parametersOf({ url, querySchema }: ApiRoute): Json[] {
  const names = documented(url).match(/(?<=\{)\w+(?=\})/g) ?? [];
  const inPath = names.map((name) => ({
    name,
    in: 'path',
    required: true,
    description: name === 'ref' ? 'A reference, percent-encoded: a "/" in it is %2F' : name,
    schema: PATH_PARTS[name] ?? STRING,
  }));
  if (querySchema === undefined) return inPath;
  const { properties = {}, required = [] } = schemaOf(querySchema) as {
    properties?: Readonly<Record<string, Json>>;
    required?: readonly string[];
  };
  const inQuery = Object.entries(properties).map(([name, schema]) => {
    return { name, in: 'query', required: required.includes(name), schema };
  });
  return [...inPath, ...inQuery];
}

function bodyOf({ bodySchema, takesBytes }: ApiRoute): Json {
  const bytes = { 'application/octet-stream': { schema: BYTES } };
  if (takesBytes) return { requestBody: { required: true, content: bytes } };
  if (bodySchema === undefined) return {};
  return { requestBody: { required: true, content: { 'application/json': { schema: schemaOf(bodySchema) } } } };
}

function answerOf({ givesBytes, long }: ApiRoute): Json {
  const bytes = { 'application/octet-stream': { schema: BYTES } };
  const json = { 'application/json': { schema: RESULT } };
  const lines = { 'application/x-ndjson': { schema: LINES } };
  const content = givesBytes ? bytes : { ...json, ...(long ? lines : {}) };
  const description = long ? 'The result; as lines: {progress} …, and last {result} or {error}' : 'The result';
  return { description, content };
}

/** `PUT /versions/:ref/state` is `putVersionsRefState`. */
function operationIdOf({ method, url }: ApiRoute): string {
  const words = url.split(/[^A-Za-z]+/).filter((word) => word !== '');
  return [method.toLowerCase(), ...words.map((word) => `${word.slice(0, 1).toUpperCase()}${word.slice(1)}`)].join('');
}

/** The paths of the management API, made from the routes that the server serves. */
export function apiPaths(): Json {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const one of API_ROUTES) {
    const url = documented(one.url);
    const scopes = OPERATIONS[one.operation];
    paths[url] = {
      ...paths[url],
      [one.method.toLowerCase()]: {
        summary: one.summary,
        description: `Needs ${scopes === 'open' ? 'no scope' : `the scope ${scopes.join(' or ')}`}`,
        operationId: operationIdOf(one),
        tags: ['Management'],
        parameters: parametersOf(one),
        ...bodyOf(one),
        responses: { '200': answerOf(one), ...errors() },
      },
    };
  }
  return paths;
}
