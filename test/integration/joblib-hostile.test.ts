import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Modelkeep } from '../../src/app/index.js';
import { callOf, estimatorThatRuns, expectIrisToAnswer, pickleHome, sklearnPython } from './joblib-harness.js';
import type { PickleHome } from './joblib-harness.js';

const python = await sklearnPython();
let home: PickleHome;

beforeAll(async () => {
  home = pickleHome();
  await home.publishIris('iris', 'mymodel_v1.joblib');
  await home.publishIris('graph', 'mymodel_v1_nozipmap.onnx');
}, 320_000);

afterAll(() => home[Symbol.dispose]());

const marker = (): string => join(home.folder, 'harm');

describe('an allow-list of globals', () => {
  const calls: Readonly<Record<string, () => Buffer>> = {
    'os.system': () => callOf('os', 'system', `touch ${marker()}`),
    'posix.system': () => callOf('posix', 'system', `touch ${marker()}`),
    'subprocess.getoutput': () => callOf('subprocess', 'getoutput', `touch ${marker()}`),
    'builtins.exec': () => callOf('builtins', 'exec', `open(${JSON.stringify(marker())}, 'w').write('x')`),
    'builtins.eval': () => estimatorThatRuns(`attempt(lambda: open(${JSON.stringify(marker())}, 'w'))`),
    'builtins.getattr': () => callOf('builtins', 'getattr', 'x'),
    'numpy.load': () => callOf('numpy', 'load', marker()),
    'numpy.memmap': () => callOf('numpy', 'memmap', marker()),
    'numpy.testing._private.utils.runstring': () => callOf('numpy.testing._private.utils', 'runstring', 'x'),
    'sklearn.datasets.load_files': () => callOf('sklearn.datasets', 'load_files', '/etc'),
    'sklearn.os.system': () => callOf('sklearn', 'os.system', `touch ${marker()}`),
    'sklearn.base.os.system': () => callOf('sklearn.base', 'os.system', `touch ${marker()}`),
    'pickle.loads': () => callOf('pickle', 'loads', 'x'),
    // (None, {predict: list}) as the state of the class itself.
    'changed.SVC': () => Buffer.from('csklearn.svm._classes\nSVC\n(N(dVpredict\ncbuiltins\nlist\nstb.'),
    'joblib.numpy_pickle.NDArrayWrapper': () => callOf('joblib.numpy_pickle', 'NDArrayWrapper', marker()),
  };

  let keep: Modelkeep;
  beforeAll(async () => {
    keep = await home.open(python);
    await keep.load('iris');
  }, 60_000);
  afterAll(() => keep.close());

  it.each(Object.keys(calls))('refuses %s by its name, and it is not called', async (name) => {
    const model = name.toLowerCase().replaceAll(/[^a-z]/g, '-');
    await home.publish(model, calls[name]!());
    const pids = keep.status().runners.map(({ pid }) => pid);
    await expect(keep.load(model)).rejects.toMatchObject({ code: 'UNSAFE_FORMAT' });
    expect(existsSync(marker())).toBe(false);
    await expectIrisToAnswer(keep);
    expect(keep.status().runners.map(({ pid }) => pid)).toEqual(pids);
  });
});
