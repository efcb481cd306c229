import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { deflateSync, gzipSync } from 'node:zlib';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { ModelkeepError } from '../../../src/core/index.js';
import { isSafeGlobal, type PickleReport } from '../../../src/formats/index.js';
import { scanPickle } from '../../../src/formats/joblib/scan.js';
import { temporaryFolder } from './temporary-folder.js';

const IRIS = join(import.meta.dirname, '../../fixtures/iris');
const model = readFileSync(join(IRIS, 'mymodel_v1.joblib'));

function scan(bytes: Uint8Array | string): PickleReport {
  using folder = temporaryFolder();
  const path = join(folder.path, 'model.joblib');
  writeFileSync(path, bytes);
  return scanPickle(path, 'model.joblib');
}

/** How reading may end. */
function outcomeOf(bytes: Buffer): string {
  try {
    scan(bytes);
    return 'read';
  } catch (error) {
    return error instanceof ModelkeepError ? error.code : `crashed: ${String(error)}`;
  }
}

/** `\x8c`: a short string of protocol 4. */
function text(value: string): Buffer {
  return Buffer.concat([Buffer.from([0x8c, value.length]), Buffer.from(value)]);
}

/** A pickle of protocol 4 with these opcodes. */
function pickle(...parts: (string | Uint8Array | number)[]): Buffer {
  const body = parts.map((part) =>
    typeof part === 'number' ? Buffer.from([part]) : typeof part === 'string' ? Buffer.from(part) : part,
  );
  return Buffer.concat([Buffer.from([0x80, 4]), ...body, Buffer.from('.')]);
}

const STACK_GLOBAL = 0x93;
const MEMOIZE = 0x94;

test.each(['mymodel_v1.joblib', 'mymodel_v2.joblib'])('says what %s imports and which releases wrote it', (name) => {
  expect(scanPickle(join(IRIS, name), name)).toEqual({
    globals: [
      'joblib.numpy_pickle.NumpyArrayWrapper',
      'numpy.core.multiarray.scalar',
      'numpy.dtype',
      'numpy.ndarray',
      'sklearn.svm._classes.SVC',
    ],
    unsafeGlobals: [],
    complete: true,
    compression: 'none',
    protocol: 4,
    python: '>=3.4',
    sklearn: '1.9.1',
    numpy: '<2',
  });
});

test.each([
  ['zlib', deflateSync],
  ['gzip', gzipSync],
] as const)('looks into a file compressed with %s', (compression, compress) => {
  const plain = scan(model);
  expect(scan(compress(model))).toEqual({ ...plain, compression });
});

test.each([
  ['bz2', [0x42, 0x5a, 0x68, 0x39]],
  ['xz', [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0]],
  ['lzma', [0x5d, 0, 0, 0x80]],
  ['lz4', [0x04, 0x22, 0x4d, 0x18]],
] as const)('says that it cannot look into %s', (compression, magic) => {
  expect(scan(Uint8Array.from(magic))).toMatchObject({ compression, complete: false, globals: [] });
});

test.each([
  ['STACK_GLOBAL', pickle(text('os'), text('system'), STACK_GLOBAL)],
  ['GLOBAL of protocol 0', Buffer.from('cos\nsystem\n(S"true"\ntR.')],
  ['INST', Buffer.from('(S"true"\nios\nsystem\n.')],
  [
    'names that come from the memo',
    pickle(text('system'), MEMOIZE, '0', text('os'), MEMOIZE, '0', 'h', 1, 'h', 0, STACK_GLOBAL),
  ],
  ['a nested call that hides it', pickle('(', text('os'), text('system'), STACK_GLOBAL, 'lp0\n0g0\n')],
])('finds os.system in a pickle by %s', (_how, bytes) => {
  expect(scan(bytes).unsafeGlobals).toEqual(['os.system']);
});

test('says that a name is unknown where it is computed', () => {
  const computed = [text('builtins'), text('str'), STACK_GLOBAL, ')', 'R'];
  expect(scan(pickle(text('os'), ...computed, STACK_GLOBAL)).unsafeGlobals).toEqual(['?']);
});

test('goes through the pickle inside an array of objects', () => {
  const dtype = [text('numpy'), text('dtype'), STACK_GLOBAL, text('O8'), 0x85, 'R'];
  const wrapper = [text('joblib.numpy_pickle'), text('NumpyArrayWrapper'), STACK_GLOBAL, ')', 0x81];
  const state = ['}', '(', text('shape'), 'K', 1, 0x85, text('dtype'), ...dtype, 'u', 'b'];
  const nested = pickle(text('os'), text('system'), STACK_GLOBAL);
  expect(scan(pickle(...wrapper, ...state, nested))).toMatchObject({ complete: true, unsafeGlobals: ['os.system'] });
});

test('says where it had to stop', () => {
  const wrapper = [text('joblib.numpy_pickle'), text('NumpyArrayWrapper'), STACK_GLOBAL, ')', 0x81];
  expect(scan(pickle(...wrapper, '}', 'b'))).toMatchObject({ complete: false });
});

test.each([
  ['text', 'these are not the bytes you look for'],
  ['JSON', '{"a": 1}'],
  ['an ONNX file', readFileSync(join(IRIS, 'mymodel_v1.onnx'))],
  ['a protocol of the future', Uint8Array.from([0x80, 9, 0x2e])],
  ['a file that was cut off', model.subarray(0, model.length - 1)],
  ['a file that was cut off in an array', model.subarray(0, 900)],
  ['damaged compression', Uint8Array.from([0x78, 0x9c, 1, 2, 3])],
  ['an empty stack', Uint8Array.from([0x80, 4, 0x2e])],
  ['a memo that was never set', pickle('h', 7)],
])('refuses %s', (_what, bytes) => {
  expect(() => scan(bytes)).toThrow(expect.objectContaining({ code: 'INVALID_ARTIFACT' }));
});

test('a damaged model is read or refused, whatever bytes change', () => {
  const changes = fc.array(fc.tuple(fc.nat(model.length - 1), fc.nat(255)), { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(changes, (list) => {
      const damaged = Buffer.from(model);
      for (const [at, byte] of list) damaged[at] = byte;
      expect(outcomeOf(damaged)).toMatch(/^(read|INVALID_ARTIFACT)$/);
    }),
    { numRuns: 300 },
  );
});

test.each([
  'sklearn.svm._classes.SVC',
  'sklearn.tree._tree.Tree',
  'sklearn.neighbors._kd_tree.newObj',
  'numpy.dtype',
  'numpy.core.multiarray._reconstruct',
  'scipy.sparse._csr.csr_matrix',
  'collections.OrderedDict',
])('%s is on the allow-list', (name) => expect(isSafeGlobal(name)).toBe(true));

test.each([
  'os.system',
  'builtins.eval',
  'builtins.getattr',
  'numpy.load',
  'numpy.memmap',
  'numpy.testing._private.utils.runstring',
  'sklearn.os.system',
  'sklearn.datasets._base.load_files',
  'sklearn.utils.tests.test_utils.X',
  'sklearn.svm._classes.np.memmap',
  'xsklearn.svm.SVC',
  'scipy.io._netcdf.netcdf_file',
  'joblib.memory.Memory',
  'functools.partial',
])('%s is not on the allow-list', (name) => expect(isSafeGlobal(name)).toBe(false));
