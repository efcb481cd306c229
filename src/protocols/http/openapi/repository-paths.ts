import { answer, BOOLEAN, errors, list, object, reference, STRING, VERSION, type Json } from './shapes.js';

const TAGS = ['Open Inference Protocol'];

const ENTRY = object({
  name: STRING,
  version: STRING,
  state: { type: 'string', enum: ['READY', 'LOADING', 'UNLOADING', 'UNAVAILABLE'] },
  reason: { type: 'string', description: 'Why it is UNAVAILABLE, else empty' },
});

/** A body that may be left out. */
function optional(schema: Json, example: Json): Json {
  return { required: false, content: { 'application/json': { schema, example } } };
}

function change(action: 'load' | 'unload', suffix: string, summary: string, parameters: readonly Json[]): Json {
  const rest = action === 'load' ? { version: STRING, load: BOOLEAN } : { unload: BOOLEAN };
  return {
    parameters,
    post: {
      tags: TAGS,
      operationId: `${action}${suffix}`,
      summary,
      requestBody: optional({ type: 'object', properties: { parameters: { type: 'object' } } }, {}),
      responses: { '200': answer('Done', object({ name: STRING, ...rest })), ...errors() },
    },
  };
}

/** The repository extension: what there is, and what this node makes of it. */
export function repositoryPaths(): Json {
  const name = reference('name');
  const places = [
    ['/v2/repository/models/{name}', [name], ''],
    ['/v2/repository/models/{name}/versions/{version}', [name, VERSION], 'Version'],
  ] as const;
  const changes = places.flatMap(([at, parameters, suffix]) => [
    [`${at}/load`, change('load', suffix, 'Make ready, and keep current', parameters)],
    [`${at}/unload`, change('unload', suffix, 'Let go; the next request brings it back', parameters)],
  ]);
  return {
    '/v2/repository/index': {
      post: {
        tags: TAGS,
        operationId: 'repositoryIndex',
        summary: 'Every version that the caller may use, and what this node makes of it',
        requestBody: optional({ type: 'object', properties: { ready: BOOLEAN } }, { ready: true }),
        responses: { '200': answer('Versions', list(ENTRY)), ...errors() },
      },
    },
    ...Object.fromEntries(changes),
  };
}
