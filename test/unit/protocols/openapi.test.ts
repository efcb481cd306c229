import { EventEmitter } from 'node:events';
import { describe, expect, it } from 'vitest';
import { openAccess } from '../../../src/access/index.js';
import { openApiDocument } from '../../../src/protocols/http/openapi/document.js';
import { docsPage } from '../../../src/protocols/http/docs-page.js';
import { createHttpServer, type HttpServerOptions } from '../../../src/protocols/http/server.js';
import { HTTP_STATUS } from '../../../src/protocols/http/status.js';
import { TASKS } from '../../../src/tasks/index.js';

interface Schema {
  readonly title?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly description?: string;
}

const document = openApiDocument('1.2.3', true) as {
  readonly openapi: string;
  readonly info: { readonly version: string };
  readonly paths: Readonly<Record<string, Readonly<Record<string, { readonly responses?: object }>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
};

/** The routes of a server, from the tree that it prints: each line adds to the path of the line that it hangs on. */
function routesOf(tree: string): string[] {
  const path: string[] = [];
  return tree.split('\n').flatMap((line) => {
    const [, indent = '', part = '', methods = ''] = /^(.*)[├└]── (\S+)(?: \(([A-Z, ]+)\))?/.exec(line) ?? [];
    if (part === '') return [];
    path.splice(indent.length / 4, Number.POSITIVE_INFINITY, part);
    const known = methods.split(', ').filter((method) => method !== '' && method !== 'HEAD');
    const whole = path.join('').replaceAll(/:(\w+)/g, '{$1}');
    return known.map((method) => `${method} ${whole}`);
  });
}

/** True if a route, perhaps with a wildcard, answers a path of the document. */
const matches = (route: string, one: string): boolean =>
  route === one || (route.endsWith('*') && one.startsWith(route.slice(0, -1)));

describe('the OpenAPI document', () => {
  it('is of this version, and is plain JSON', () => {
    expect(document).toMatchObject({ openapi: '3.1.0', info: { version: '1.2.3' } });
    expect(JSON.parse(JSON.stringify(document))).toEqual(document);
  });

  it.each([...TASKS.values()].map((task) => [task.name, task] as const))(
    'holds every option of %s with its meaning',
    (name, task) => {
      const schema = Object.values(document.components.schemas).find(({ title }) => title === name);
      const answers = Object.keys(document.components.schemas).filter((one) => one.endsWith('Answer'));
      expect(answers.length).toBeGreaterThanOrEqual(TASKS.size);
      const options = schema?.properties?.parameters?.properties ?? {};
      expect(Object.keys(options)).toEqual(Object.keys(task.parameters.shape));
      for (const option of Object.values(options)) expect(option.description).toMatch(/\w/);
    },
  );

  it('refers only to schemas that it holds', () => {
    const refs = [...JSON.stringify(document).matchAll(/"#\/components\/schemas\/([^"]+)"/g)].map(([, name]) => name!);
    expect(new Set(refs).size).toBeGreaterThan(TASKS.size);
    for (const name of refs) expect(document.components.schemas).toHaveProperty(name);
  });

  it('names every status that an error can have, where models are asked', () => {
    const { responses } = document.paths['/models/{reference}']!.post!;
    expect(Object.keys(responses!)).toEqual(
      expect.arrayContaining([...new Set(Object.values(HTTP_STATUS))].map(String)),
    );
  });

  it('has every route of the server, and the server has every path of it', async () => {
    const events = new EventEmitter();
    const parts = { service: events, residency: events, follower: events, watchman: events };
    const limits = {
      maxHeaderBytes: 8_192,
      maxConnections: 10,
      headersTimeoutMs: 1_000,
      receiveTimeoutMs: 1_000,
      corsOrigins: [],
    };
    const options = { ...parts, ...limits, access: await openAccess({}), version: '0', maxBodyBytes: 1_000 };
    const server = createHttpServer(options as unknown as HttpServerOptions, ['inference', 'management']);
    await server.ready();
    const tree = server.printRoutes({ commonPrefix: true });
    await server.close();
    const routes = routesOf(tree);
    const documented = Object.entries(document.paths).flatMap(([path, item]) =>
      ['get', 'post', 'put', 'patch', 'delete']
        .filter((method) => method in item)
        .map((method) => `${method.toUpperCase()} ${path}`),
    );
    expect(routes.length).toBeGreaterThan(8);
    expect(routes.filter((route) => !documented.some((one) => matches(route, one)))).toEqual([]);
    expect(documented.filter((one) => !routes.some((route) => matches(route, one)))).toEqual([]);
  });
});

describe('the page of documentation', () => {
  const page = docsPage(document);

  it('needs nothing from anywhere else, and runs nothing', () => {
    expect(page).not.toMatch(/<script|<link|<img|https?:\/\/|\son\w+=/);
  });

  it('shows every path and every schema, and its links lead somewhere', () => {
    for (const path of Object.keys(document.paths)) expect(page).toContain(`<code>${path}</code>`);
    const anchors = [...page.matchAll(/href="#([^"]+)"/g)].map(([, name]) => name ?? '');
    expect(anchors.length).toBeGreaterThan(20);
    for (const name of anchors) expect(page).toContain(`id="${name}"`);
  });
});
