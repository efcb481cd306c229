import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  canonicalJson,
  checkFilePath,
  checkManifest,
  contentSize,
  decodeManifest,
  digestOf,
  distinctPlaces,
  distinctSegments,
  encodeManifest,
  isSingleFile,
  manifestDigest,
  MAX_FILES,
  MAX_MANIFEST_BYTES,
  MAX_PATH_LENGTH,
  placesOf,
  SINGLE_FILE_ONNX_MAX_BYTES,
  type Digest,
  type Manifest,
  type ManifestFile,
} from '../../../src/core/index.js';

const digest = fc.nat(40).map((seed) => digestOf(String(seed)));
const segments = fc.array(fc.record({ digest, size: fc.integer({ min: 1, max: 1e9 }) }), { maxLength: 5 });
const pathPart = fc.stringMatching(/^[A-Za-z0-9_ÄöÆ漢-]{1,12}$/u).filter((name) => !/^(con|prn|aux|nul)$/i.test(name));
const path = fc
  .array(pathPart, { minLength: 1, maxLength: 4 })
  .map((parts) => parts.map((name, depth) => (depth === parts.length - 1 ? `${name}.bin` : name)).join('/'));
const manifest: fc.Arbitrary<Manifest> = fc
  .record({
    format: fc.constantFrom('hf', 'onnx', 'joblib'),
    task: fc.option(fc.string({ maxLength: 100 }), { nil: undefined }),
    files: fc.uniqueArray(fc.tuple(path, segments), { minLength: 1, maxLength: 12, selector: ([name]) => name }),
  })
  .map(({ format, task, files }) =>
    checkManifest({ schema: 1, format, ...(task === undefined ? {} : { task }), files: files.map(fileOf) }),
  );

function fileOf([name, list]: readonly [string, readonly { digest: Digest; size: number }[]]): ManifestFile {
  return { path: name, size: list.reduce((sum, { size }) => sum + size, 0), segments: list };
}

/** The same value with the keys of every object in another order. */
function shuffled(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(shuffled);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .toReversed()
      .map(([name, inner]) => [name, shuffled(inner)]),
  );
}

const one = { digest: digestOf('x'), size: 1 };

function withFiles(files: unknown): unknown {
  return { schema: 1, format: 'hf', files };
}

function withPath(name: unknown): unknown {
  return withFiles([{ path: name, size: 1, segments: [one] }]);
}

function emptyFiles(count: number): unknown {
  return withFiles(Array.from({ length: count }, (_, index) => ({ path: `f${index}`, size: 0, segments: [] })));
}

/** A manifest of `count` files of `size` bytes each. */
function alike(format: string, size: number, count = 1): Manifest {
  const parts = size === 0 ? [] : [{ ...one, size }];
  const files = Array.from({ length: count }, (_, index) => ({ path: `m${index}`, size, segments: parts }));
  return checkManifest({ schema: 1, format, files });
}

function code(work: () => unknown): unknown {
  try {
    work();
  } catch (error) {
    return (error as { code?: unknown }).code;
  }
  return undefined;
}

describe('canonical JSON', () => {
  it('does not depend on the order of keys, and is JSON of the same value', () => {
    const values = [fc.maxSafeInteger(), fc.string({ unit: 'grapheme' }), fc.boolean(), fc.constant(null)];
    const integers = fc.object({ values, maxDepth: 4, maxKeys: 6 });
    fc.assert(
      fc.property(integers, (given) => {
        expect(canonicalJson(shuffled(given))).toBe(canonicalJson(given));
        expect(JSON.parse(canonicalJson(given))).toEqual(given);
        expect(canonicalJson(given)).toBe(canonicalJson(JSON.parse(JSON.stringify(given, undefined, 2))));
      }),
      { numRuns: 1_000 },
    );
  });

  it('takes safe integers only, since other numbers have several forms', () => {
    for (const number of [0.5, 2 ** 53, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(code(() => canonicalJson({ number }))).toBe('INTERNAL');
    }
  });
});

describe('a manifest', () => {
  it('comes back from its stored form, and its digest depends on its contents only', () => {
    fc.assert(
      fc.property(manifest, (given) => {
        expect(decodeManifest(encodeManifest(given))).toEqual(given);
        const other = checkManifest(shuffled({ ...given, files: given.files.toReversed(), extra: 'ignored' }));
        expect(other).toEqual(given);
        expect(manifestDigest(other)).toBe(manifestDigest(given));
        expect(digestOf(encodeManifest(given))).toBe(manifestDigest(given));
      }),
      { numRuns: 500 },
    );
  });

  it('has another digest for every other content', () => {
    fc.assert(
      fc.property(manifest, manifest, (a, b) => {
        expect(manifestDigest(a) === manifestDigest(b)).toBe(canonicalJson(a) === canonicalJson(b));
      }),
    );
  });

  it('lists each distinct segment once, at its first place, and places cover the files without gaps', () => {
    fc.assert(
      fc.property(manifest, (given) => {
        const distinct = distinctPlaces(given);
        expect(distinct.map((place) => place.digest)).toEqual(distinctSegments(given).map((part) => part.digest));
        expect(new Set(distinct.map((place) => place.digest)).size).toBe(distinct.length);
        for (const file of given.files) {
          let end = 0;
          for (const place of placesOf(file)) {
            expect([place.path, place.offset]).toEqual([file.path, end]);
            end += place.size;
          }
          expect(end).toBe(file.size);
        }
        expect(contentSize(given)).toBe(given.files.reduce((sum, { size }) => sum + size, 0));
      }),
    );
  });

  it('is refused in any other byte form than the canonical one', () => {
    const bytes = Buffer.from(encodeManifest(checkManifest(withPath('a'))));
    const text = bytes.toString('utf8');
    expect(code(() => decodeManifest(Buffer.from(` ${text}`)))).toBe('DIGEST_MISMATCH');
    expect(code(() => decodeManifest(Buffer.from(text.replace('{', '{"extra":1,'))))).toBe('DIGEST_MISMATCH');
    expect(code(() => decodeManifest(bytes.subarray(0, -1)))).toBe('INVALID_ARTIFACT');
    expect(code(() => decodeManifest(Buffer.from([0xff, 0xfe])))).toBe('INVALID_ARTIFACT');
    expect(MAX_MANIFEST_BYTES).toBe(16_777_216);
    expect(code(() => decodeManifest(Buffer.alloc(MAX_MANIFEST_BYTES + 1, ' ')))).toBe('INVALID_ARTIFACT');
  });

  it('of arbitrary JSON or bytes is one, or is refused with a code for it', () => {
    const codes = new Set(['INVALID_ARTIFACT', 'UNSUPPORTED_FORMAT', 'DIGEST_MISMATCH']);
    const almost = fc.record(
      { schema: fc.constant(1), format: fc.constant('hf'), task: fc.jsonValue(), files: fc.jsonValue() },
      { requiredKeys: ['schema', 'format'] },
    );
    const text = fc.oneof(fc.jsonValue(), almost).map((value) => Buffer.from(JSON.stringify(value)));
    fc.assert(
      fc.property(fc.oneof(text, fc.uint8Array({ maxLength: 200 })), (bytes) => {
        expect(codes).toContain(code(() => decodeManifest(bytes)));
      }),
      { numRuns: 1_000 },
    );
  });
});

describe('a manifest is refused with INVALID_ARTIFACT', () => {
  const paths: readonly unknown[] = [
    '../../etc/passwd',
    'a/../../b',
    '..',
    '.',
    './a',
    'a//b',
    'a/',
    '',
    '/etc/passwd',
    '//host/share',
    'C:/windows/system32',
    'c:a',
    'a\\b',
    '..\\b',
    'a\0b',
    'a\nb',
    'a\u007f',
    'nul',
    'sub/CON.txt',
    'com1',
    'a.',
    'a /b',
    'a?',
    'x'.repeat(256),
    '漢'.repeat(86),
    'x/'.repeat(MAX_PATH_LENGTH) + 'x',
    7,
    undefined,
  ];
  it.each(paths)('for the path %j', (name) =>
    expect(code(() => checkManifest(withPath(name)))).toBe('INVALID_ARTIFACT'),
  );

  it.each([
    ['no files', []],
    ['no list of files', { a: 1 }],
    ['a file that is no object', [null]],
    ['no list of segments', [{ path: 'a', size: 0 }]],
    ['a size that is not the sum', [{ path: 'a', size: 2, segments: [one] }]],
    ['a size that is a text', [{ path: 'a', size: '1', segments: [one] }]],
    ['an empty segment', [{ path: 'a', size: 0, segments: [{ ...one, size: 0 }] }]],
    ['a negative segment', [{ path: 'a', size: -1, segments: [{ ...one, size: -1 }] }]],
    ['half a byte', [{ path: 'a', size: 0.5, segments: [{ ...one, size: 0.5 }] }]],
    ['a digest in capitals', [{ path: 'a', size: 1, segments: [{ ...one, digest: one.digest.toUpperCase() }] }]],
    ['a digest of 63 digits', [{ path: 'a', size: 1, segments: [{ ...one, digest: one.digest.slice(0, -1) }] }]],
    ['a digest that is a path', [{ path: 'a', size: 1, segments: [{ ...one, digest: 'sha256:../../etc' }] }]],
    ['no digest', [{ path: 'a', size: 1, segments: [{ size: 1 }] }]],
    ['a file twice', [1, 2].map(() => ({ path: 'a', size: 1, segments: [one] }))],
    ['a file that is a folder', ['a/b', 'a'].map((name) => ({ path: name, size: 1, segments: [one] }))],
    [
      'a file that is a folder further up',
      ['a', 'a-b', 'a/b/c'].map((name) => ({ path: name, size: 0, segments: [] })),
    ],
  ])('for %s', (_, files) => expect(code(() => checkManifest(withFiles(files)))).toBe('INVALID_ARTIFACT'));

  it('for more than 10,000 files, and not for 10,000', () => {
    expect(MAX_FILES).toBe(10_000);
    expect(checkManifest(emptyFiles(10_000)).files).toHaveLength(10_000);
    expect(code(() => checkManifest(emptyFiles(10_001)))).toBe('INVALID_ARTIFACT');
  });

  it('for what is no object, and for a task that is no short text', () => {
    for (const value of [undefined, null, 7, 'x']) expect(code(() => checkManifest(value))).toBe('INVALID_ARTIFACT');
    const given = withPath('a') as object;
    for (const task of [7, null, 'x'.repeat(101)]) {
      expect(code(() => checkManifest({ ...given, task }))).toBe('INVALID_ARTIFACT');
    }
  });
});

it('a manifest of a newer schema or an unknown format is refused with UNSUPPORTED_FORMAT', () => {
  const given = withPath('a') as object;
  for (const schema of [2, 0, '1', null, undefined]) {
    expect(code(() => checkManifest({ ...given, schema }))).toBe('UNSUPPORTED_FORMAT');
  }
  for (const format of ['tar', 'HF', '', null, undefined, ['hf']]) {
    expect(code(() => checkManifest({ ...given, format }))).toBe('UNSUPPORTED_FORMAT');
  }
});

it('a path that is accepted stays in its folder, whatever the text', () => {
  const text = fc.oneof(fc.string({ unit: 'binary' }), fc.string({ unit: fc.constantFrom('.', '/', '\\', 'a', ':') }));
  fc.assert(
    fc.property(text, (name) => {
      if (code(() => checkFilePath(name)) !== undefined) return;
      const resolved = new URL(encodeURI(name.toWellFormed()), 'file:///root/folder/');
      expect(resolved.pathname.startsWith('/root/folder/')).toBe(true);
      expect(name.split('/')).not.toContain('..');
    }),
    { numRuns: 5_000 },
  );
});

it('only a joblib file or an ONNX file of at most 64 MiB is a single file', () => {
  expect(SINGLE_FILE_ONNX_MAX_BYTES).toBe(67_108_864);
  expect(isSingleFile(alike('joblib', 1e10))).toBe(true);
  expect(isSingleFile(alike('onnx', 67_108_864))).toBe(true);
  expect(isSingleFile(alike('onnx', 67_108_865))).toBe(false);
  expect(isSingleFile(alike('hf', 1))).toBe(false);
  expect(isSingleFile(alike('joblib', 0))).toBe(false);
  expect(isSingleFile(alike('onnx', 1, 2))).toBe(false);
});
