import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openStore, parseReference, push, show, type Modelkeep } from '../../src/app/index.js';
import { digestHex, digestOf, type Manifest } from '../../src/core/index.js';
import { pythonRunnerCommand, Runner } from '../../src/runners/index.js';
import { deflatedZeros, zipFile } from '../unit/formats/zip-file.js';
import { gap, golden, IRIS, matrix, numbersOf, pickleHome, sklearnPython, TOLERANCE } from './joblib-harness.js';
import type { PickleHome } from './joblib-harness.js';

/** A pipeline that skops itself takes, with a function that is on no allow-list of ours. */
const MAKE = `
import json, sys, numpy, skops.io
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.svm import SVC
given = json.load(open(sys.argv[1]))
rows = numpy.array(given["data"])
model = make_pipeline(FunctionTransformer(numpy.log1p), SVC()).fit(rows, given["models"]["mymodel_v1"]["predict"])
skops.io.dump(model, sys.argv[2])
print(json.dumps(model.predict(rows).tolist()))
`;

let python: string;
let home: PickleHome;
let keep: Modelkeep;
let file: (name: string) => string;

beforeAll(async () => {
  python = await sklearnPython();
  home = pickleHome();
  file = (name) => join(home.folder, name);
  keep = await home.open(python);
}, 320_000);

afterAll(async () => {
  await keep.close();
  home[Symbol.dispose]();
});

async function publish(model: string, bytes: Uint8Array): Promise<void> {
  writeFileSync(file(`${model}.skops`), bytes);
  await using store = await openStore(home.store);
  await push(store, file(`${model}.skops`), { name: model });
}

/** The iris model with a changed schema. */
function changed(change: (schema: Record<string, unknown>) => void): Buffer {
  const schema = { __class__: 'SVC', __module__: 'sklearn.svm._classes', __loader__: 'ObjectNode', protocol: 2 };
  change(schema);
  return zipFile([{ name: 'schema.json', bytes: JSON.stringify(schema) }]);
}

describe.each(['mymodel_v1', 'mymodel_v2'] as const)('%s as a skops file, all 150 rows', (name) => {
  it('answers as scikit-learn did', async () => {
    await home.publishIris(name, `${name}.skops`);
    const model = await keep.load(name);
    expect(model.record.metadata.pickle).toMatchObject({ sklearn: '1.9.1', skops: '0.16.0', unsafeGlobals: [] });
    const { predict, decision_function: decisions, predict_proba: probabilities } = golden.models[name];
    const { tensors } = await model.infer({ tensors: matrix(golden.data) });
    expect(numbersOf(tensors.predict)).toEqual(predict);
    expect(gap(numbersOf(tensors.decision_function), decisions.flat())).toBeLessThan(TOLERANCE);
    expect(gap(numbersOf(tensors.predict_proba), (probabilities ?? []).flat())).toBeLessThan(TOLERANCE);
  });
});

describe('without --allow-pickle', () => {
  it('is refused as a pickle is, and no Python is started', async () => {
    await home.publishIris('off', 'mymodel_v1.skops');
    await using off = await home.open(python, { allowPickle: 'off' });
    const refused = off.load('off');
    await expect(refused).rejects.toMatchObject({ code: 'UNSAFE_FORMAT' });
    await expect(refused).rejects.toThrow('--allow-pickle');
    expect(off.status().runners).toHaveLength(1);
  });
});

describe('types outside the allow-list', () => {
  it('are told at publish, refused by name, and loaded by a node that allows any', async () => {
    const run = promisify(execFile);
    const { stdout } = await run(python, ['-c', MAKE, join(IRIS, 'golden.json'), file('log.skops')], {
      timeout: 60_000,
    });
    await publish('log', readFileSync(file('log.skops')));
    await using store = await openStore(home.store);
    const { record } = await show(store, parseReference('log'));
    expect(record.metadata.pickle).toMatchObject({ unsafeGlobals: ['numpy.log1p'] });
    const refused = keep.load('log');
    await expect(refused).rejects.toMatchObject({ code: 'UNSAFE_FORMAT' });
    await expect(refused).rejects.toThrow('numpy.log1p');
    await using any = await home.open(python, { allowPickle: 'any' });
    const { tensors } = await (await any.load('log')).infer({ tensors: matrix(golden.data), outputs: ['predict'] });
    expect(numbersOf(tensors.predict)).toEqual(JSON.parse(stdout));
  });

  const call = { __class__: 'system', __module__: 'posix', __loader__: 'FunctionNode' };
  it.each([
    [
      'function',
      (schema: Record<string, unknown>) =>
        Object.assign(schema, {
          content: {
            __class__: 'dict',
            __module__: 'builtins',
            __loader__: 'DictNode',
            key_types: { __class__: 'list', __module__: 'builtins', __loader__: 'ListNode', content: [] },
            content: { predict: call },
          },
        }),
      'posix.system',
    ],
    [
      'old-function',
      (schema: Record<string, unknown>) =>
        Object.assign(schema, {
          __class__: 'ufunc',
          __module__: 'numpy',
          __loader__: 'FunctionNode',
          protocol: 0,
          content: { module_path: 'posix', function: 'system' },
        }),
      'numpy.ufunc',
    ],
    [
      'hidden-function',
      (schema: Record<string, unknown>) =>
        Object.assign(schema, {
          __class__: 'dict',
          __module__: 'builtins',
          __loader__: 'FunctionNode',
          protocol: 0,
          content: { module_path: 'posix', function: 'system' },
        }),
      'posix.system',
    ],
    [
      'path',
      (schema: Record<string, unknown>) =>
        Object.assign(schema, { __class__: 'os.system', __module__: 'sklearn.base' }),
      'sklearn.base.os.system',
    ],
    [
      'import',
      (schema: Record<string, unknown>) => Object.assign(schema, { __class__: 'Evil', __module__: 'evil' }),
      'evil.Evil',
    ],
  ] as const)('are not reached by a %s', async (name, change, named) => {
    await publish(name, changed(change));
    const refused = keep.load(name);
    await expect(refused).rejects.toMatchObject({ code: 'UNSAFE_FORMAT' });
    await expect(refused).rejects.toThrow(named);
  });
});

describe('a file that was not looked at when it was published', () => {
  let runner: Runner;
  let segmentsFolder: string;
  beforeAll(async () => {
    segmentsFolder = file('segments');
    mkdirSync(segmentsFolder);
    const limits = { threads: 1, maxMemoryBytes: 2_147_483_648, callTimeoutMs: 30_000 };
    runner = await Runner.start(pythonRunnerCommand({ python, allow: 'safe', segmentsFolder, ...limits }));
  });
  afterAll(() => runner.close());

  async function load(key: string, ...parts: readonly Uint8Array[]): Promise<void> {
    const segments = parts.map((part) => {
      const digest = digestOf(part);
      writeFileSync(join(segmentsFolder, digestHex(digest)), part);
      return { digest, size: part.length };
    });
    const size = segments.reduce((sum, one) => sum + one.size, 0);
    const manifest: Manifest = { schema: 1, format: 'joblib', files: [{ path: `${key}.joblib`, size, segments }] };
    await runner.call('load', { op: 'load', key, manifest, segmentsFolder, threads: 1 });
  }

  const ndarray = {
    __class__: 'ndarray',
    __module__: 'numpy',
    __loader__: 'NdArrayNode',
    type: 'numpy',
    file: '1.npy',
  };
  const bomb = { bytes: deflatedZeros(3_000), unpacksTo: 3_000 * 1024 * 1024 };
  it.each([
    [
      'bomb',
      () =>
        zipFile([
          { name: '1.npy', ...bomb },
          { name: 'schema.json', bytes: JSON.stringify({ ...ndarray, protocol: 2 }) },
        ]),
      'OUT_OF_BUDGET',
    ],
    ['schema-bomb', () => zipFile([{ name: 'schema.json', ...bomb }]), 'OUT_OF_BUDGET'],
    ['truncated', () => readFileSync(join(IRIS, 'mymodel_v1.skops')).subarray(0, 9_000), 'LOAD_FAILED'],
    [
      'outside',
      () =>
        zipFile([
          { name: 'schema.json', bytes: JSON.stringify({ ...ndarray, file: '../../../etc/passwd', protocol: 2 }) },
        ]),
      'LOAD_FAILED',
    ],
    ['empty', () => zipFile([{ name: 'schema.json', bytes: '{}' }]), 'LOAD_FAILED'],
    ['list', () => zipFile([{ name: 'schema.json', bytes: '[]' }]), 'LOAD_FAILED'],
    ['newer', () => changed((schema) => (schema['protocol'] = 99)), 'LOAD_FAILED'],
    ['deep', () => zipFile([{ name: 'schema.json', bytes: '['.repeat(200_000) + ']'.repeat(200_000) }]), 'LOAD_FAILED'],
  ])('that is %s is refused, and the process serves on', async (name, bytes, code) => {
    const pid = runner.pid;
    await expect(load(name, bytes())).rejects.toMatchObject({ code });
    const whole = readFileSync(join(IRIS, 'mymodel_v1.skops'));
    await load(`iris-${name}`, whole.subarray(0, 10_000), whole.subarray(10_000));
    const { tensors } = await runner.call('infer', { op: 'infer', key: `iris-${name}` }, matrix(golden.data));
    expect(numbersOf(tensors.predict)).toEqual(golden.models.mymodel_v1.predict);
    expect([runner.pid, existsSync(`/proc/${pid}`)]).toEqual([pid, true]);
  });
});
