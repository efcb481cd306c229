import { apiPaths } from '../api/document.js';
import { inferencePaths } from './inference-paths.js';
import { repositoryPaths } from './repository-paths.js';
import { operationsPaths } from './operations-paths.js';
import { SCHEMAS } from './schemas.js';
import type { Json } from './shapes.js';
import { servicePaths } from './tei-paths.js';
import { taskSchemas } from './task-schemas.js';

/**
 * The OpenAPI 3.1 document of the server, made from the schemas that check its requests. A test holds it to the routes:
 * each one is in here.
 *
 * @param wantsCredentials whether this server asks for keys or tokens
 */
export function openApiDocument(version: string, wantsCredentials: boolean): Json {
  return {
    openapi: '3.1.0',
    info: {
      title: 'modelkeep',
      version,
      summary: 'Every version of your NLP models, one warm copy of each in use',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    security: wantsCredentials ? [{ bearer: [] }] : [],
    paths: { ...inferencePaths(), ...servicePaths(), ...repositoryPaths(), ...operationsPaths(), ...apiPaths() },
    components: {
      securitySchemes: {
        bearer: {
          type: 'http',
          scheme: 'bearer',
          description: 'A key of this server, or a token; where they are wanted',
        },
      },
      schemas: { ...SCHEMAS, ...taskSchemas() },
    },
  };
}
