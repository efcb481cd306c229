import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ModelkeepError } from '../../../src/core/index.js';
import { inspectArtifact, scanModelFile, type PickleReport } from '../../../src/formats/index.js';
import { temporaryFolder } from './temporary-folder.js';
import { deflatedZeros, zipFile, type ZipEntry } from './zip-file.js';

const IRIS = join(import.meta.dirname, '../../fixtures/iris');
const model = readFileSync(join(IRIS, 'mymodel_v1.skops'));

async function scan(bytes: Uint8Array, name = 'model.skops'): Promise<PickleReport> {
  using folder = temporaryFolder();
  const path = join(folder.path, name);
  writeFileSync(path, bytes);
  return await scanModelFile(path, name);
}

/** How reading may end. */
async function outcomeOf(bytes: Uint8Array): Promise<string> {
  try {
    await scan(bytes);
    return 'read';
  } catch (error) {
    return error instanceof ModelkeepError ? error.code : `crashed: ${String(error)}`;
  }
}

const node = (module: string, name: string, more: object = {}): object => ({
  __class__: name,
  __module__: module,
  __loader__: 'ObjectNode',
  ...more,
});

function skops(schema: unknown, ...entries: readonly ZipEntry[]): Buffer {
  const bytes = typeof schema === 'string' ? schema : JSON.stringify(schema);
  return zipFile([...entries, { name: 'schema.json', bytes, deflate: true }]);
}

const plain = { ...node('sklearn.svm._classes', 'SVC'), protocol: 2, _skops_version: '0.16.0' };
const array: ZipEntry = { name: '1.npy', bytes: 'array' };

test.each(['mymodel_v1.skops', 'mymodel_v2.skops'])(
  'says what %s is made of and which releases wrote it',
  async (name) => {
    const { format, files } = await inspectArtifact(join(IRIS, name));
    expect([format, files.map(({ path }) => path)]).toEqual(['joblib', [name]]);
    expect(await scanModelFile(join(IRIS, name), name)).toEqual({
      globals: expect.arrayContaining(['builtins.dict', 'numpy.ndarray', 'sklearn.svm._classes.SVC']) as unknown,
      unsafeGlobals: [],
      complete: true,
      compression: 'none',
      sklearn: '1.9.1',
      skops: '0.16.0',
    });
  },
);

test('marks types outside the allow-list, however deep they are', async () => {
  let inner = node('posix', 'system');
  for (let depth = 0; depth < 2_000; depth += 1) inner = { content: [inner] };
  const old = { module_path: 'os', function: 'popen' };
  const { unsafeGlobals, compression } = await scan(skops({ ...plain, content: [inner, { content: old }] }));
  expect(unsafeGlobals).toEqual(['os.popen', 'posix.system']);
  expect(compression).toBe('zip');
});

test('is known by its contents, whatever it is called; what is called skops must be it', async () => {
  expect(await scan(skops(plain), 'model.joblib')).toMatchObject({ skops: '0.16.0' });
  const pickle = readFileSync(join(IRIS, 'mymodel_v1.joblib'));
  await expect(scan(pickle)).rejects.toMatchObject({ code: 'INVALID_ARTIFACT' });
});

describe('refuses, saying why,', () => {
  const wrong: Readonly<Record<string, readonly [bytes: () => Buffer, why: string]>> = {
    'no bytes of a zip': [() => Buffer.from('PK\x03\x04 and no more'), 'no skops file'],
    'a file that is cut off': [() => model.subarray(0, -100), 'no skops file'],
    'no schema': [() => zipFile([array]), 'no schema.json'],
    'two schemas': [() => skops(plain, { name: 'schema.json', bytes: '{}' }), 'two entries "schema.json"'],
    'a path out of the archive': [() => skops(plain, { name: '../../evil.npy', bytes: '' }), '../../evil.npy'],
    'an absolute path': [() => skops(plain, { name: '/etc/passwd', bytes: '' }), '/etc/passwd'],
    'a path of Windows': [() => skops(plain, { name: '..\\evil', bytes: '' }), 'evil'],
    'a folder': [() => skops(plain, { name: 'a/b.npy', bytes: '' }), '"a/b.npy" is no plain file name'],
    'a schema that is no JSON': [() => skops('{"__class__":'), 'is no JSON'],
    'a schema that is a list': [() => skops([plain]), 'lacks __class__'],
    'a schema without a protocol': [() => skops({ ...plain, protocol: 'x' }), 'protocol'],
    'an array that is missing': [
      () => skops({ ...plain, content: { ...node('numpy', 'ndarray'), file: '2.npy' } }, array),
      '"2.npy" is missing',
    ],
    'a zip bomb': [
      () => skops(plain, { name: '1.npy', bytes: deflatedZeros(100), unpacksTo: 100 * 1024 * 1024 }),
      'zip bomb',
    ],
    'a schema that is a zip bomb': [
      () => zipFile([{ name: 'schema.json', bytes: deflatedZeros(65), unpacksTo: 65 * 1024 * 1024 }]),
      'zip bomb',
    ],
    'a schema that is larger than it says': [
      () => zipFile([{ name: 'schema.json', bytes: deflatedZeros(65), unpacksTo: 100 }]),
      'no skops file',
    ],
  };

  test.each(Object.entries(wrong))('%s', async (_, [bytes, why]) => {
    const refused = scan(bytes());
    await expect(refused).rejects.toMatchObject({ code: 'INVALID_ARTIFACT' });
    await expect(refused).rejects.toThrow(why);
  });
});

test('ends with a report or with INVALID_ARTIFACT, whatever bytes are changed', async () => {
  const change = fc.record({ at: fc.nat(model.length - 1), byte: fc.nat(255) });
  const fromTheEnd = fc.record({
    at: fc.integer({ min: model.length - 1_500, max: model.length - 1 }),
    byte: fc.nat(255),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(fc.oneof(change, fromTheEnd), { minLength: 1, maxLength: 8 }), async (changes) => {
      const bytes = Buffer.from(model);
      for (const { at, byte } of changes) bytes[at] = byte;
      expect(['read', 'INVALID_ARTIFACT']).toContain(await outcomeOf(bytes));
    }),
    { numRuns: 300 },
  );
});
