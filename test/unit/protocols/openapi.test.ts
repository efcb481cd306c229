import { describe, expect, it } from 'vitest';
import { openApiDocument } from '../../../src/protocols/http/openapi.js';
import { HTTP_STATUS } from '../../../src/protocols/http/status.js';
import { TASKS } from '../../../src/tasks/index.js';

interface Schema {
  readonly title?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly description?: string;
}

const document = openApiDocument('1.2.3') as {
  readonly openapi: string;
  readonly info: { readonly version: string };
  readonly paths: Readonly<Record<string, Readonly<Record<string, { readonly responses?: object }>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
};

describe('the OpenAPI document', () => {
  it('is of this version, and is plain JSON', () => {
    expect(document).toMatchObject({ openapi: '3.1.0', info: { version: '1.2.3' } });
    expect(JSON.parse(JSON.stringify(document))).toEqual(document);
  });

  it.each([...TASKS.values()].map((task) => [task.name, task] as const))(
    'holds every option of %s with its meaning',
    (name, task) => {
      const schema = Object.values(document.components.schemas).find(({ title }) => title === name);
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
});
