import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { deflateSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { resolveSettings, serve } from '../../src/app/index.js';
import { gap, golden, IRIS, matrix, numbersOf, pickleHome, sklearnPython, TOLERANCE } from './joblib-harness.js';
import type { Modelkeep } from '../../src/app/index.js';
import type { PickleHome } from './joblib-harness.js';

const MODELS = ['mymodel_v1', 'mymodel_v2'] as const;
const [row = []] = golden.data;

let python: string;
let home: PickleHome;
let keep: Modelkeep;

beforeAll(async () => {
  python = await sklearnPython();
  home = pickleHome();
  for (const model of MODELS) await home.publishIris(model, `${model}.joblib`);
  keep = await home.open(python);
}, 320_000);

afterAll(async () => {
  await keep.close();
  home[Symbol.dispose]();
});

describe.each(MODELS)('%s, all 150 rows', (name) => {
  const { predict, decision_function: decisions, predict_proba: probabilities } = golden.models[name];

  it('answers as scikit-learn did', async () => {
    const model = await keep.load(name);
    const { tensors } = await model.infer({ tensors: matrix(golden.data) });
    expect(Object.keys(tensors)).toEqual(
      probabilities === undefined
        ? ['predict', 'decision_function']
        : ['predict', 'predict_proba', 'decision_function'],
    );
    expect(tensors.predict).toMatchObject({ type: 'int64', dims: [150] });
    expect(numbersOf(tensors.predict)).toEqual(predict);
    expect(tensors.decision_function?.dims).toEqual([150, 3]);
    expect(gap(numbersOf(tensors.decision_function), decisions.flat())).toBeLessThan(TOLERANCE);
    expect(gap(numbersOf(tensors.predict_proba), (probabilities ?? []).flat())).toBeLessThan(TOLERANCE);
  });

  it('answers the same over the Open Inference Protocol, FP64 and FP32', async () => {
    const { values } = resolveSettings({
      flags: { store: home.store, cacheDir: join(home.folder, 'cache'), port: 0, runners: 1, logLevel: 'silent' },
      environment: { MODELKEEP_ALLOW_PICKLE: 'true', MODELKEEP_PYTHON: python },
    });
    await using server = await serve({ settings: values, version: '0.0.0-test' });
    for (const datatype of ['FP64', 'FP32']) {
      const response = await fetch(`${server.url}/v2/models/${name}/infer`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ inputs: [{ name: 'X', shape: [150, 4], datatype, data: golden.data }] }),
      });
      const { outputs } = (await response.json()) as { outputs: { name: string; data: number[] }[] };
      expect(outputs.find((one) => one.name === 'predict')?.data).toEqual(predict);
    }
  });

  it.each([`${name}.onnx`, `${name}_nozipmap.onnx`])('answers the same as %s in the ONNX runner', async (file) => {
    const reference = file.replace('.onnx', '-onnx');
    await home.publishIris(reference, file);
    const model = await keep.load(reference);
    const { inputs } = await keep.parts.service.describe(reference);
    const data = Float32Array.from(golden.data.flat());
    const tensors = { [inputs[0]?.name ?? '']: { type: 'float32', dims: [150, 4], data } as const };
    const [label, scores] = Object.values((await model.infer({ tensors })).tensors);
    expect(numbersOf(label)).toEqual(predict);
    // Without probability=True the second output holds decision scores.
    const wanted = golden.models[name].onnx[file]?.scores.flatMap((scored) => Object.values<number>(scored)) ?? [];
    expect(gap(numbersOf(scores), wanted)).toBeLessThan(TOLERANCE);
    expect(gap(numbersOf(scores), probabilities?.flat() ?? wanted)).toBeLessThan(TOLERANCE);
  });
});

/** A request for one row. */
const one = (data: readonly number[]) => ({ tensors: matrix([data]) });

describe('what is asked for', () => {
  it('describes its inputs and outputs', async () => {
    expect(await keep.parts.service.describe('mymodel_v2')).toMatchObject({
      inputs: [{ name: 'X', type: 'float64', dims: [-1, 4] }],
      outputs: [
        { name: 'predict', type: 'int64', dims: [-1] },
        { name: 'predict_proba', type: 'float64', dims: [-1, 3] },
        { name: 'decision_function', type: 'float64', dims: [-1, 3] },
      ],
    });
  });

  it('gives only the outputs that are wanted', async () => {
    const model = await keep.load('mymodel_v2');
    const { tensors } = await model.infer({ tensors: matrix([row]), outputs: ['predict_proba'] });
    expect(Object.keys(tensors)).toEqual(['predict_proba']);
  });

  it.each([
    ['a feature too few', one(row.slice(1))],
    ['a feature too many', one([...row, 1])],
    ['no row', { tensors: { X: { type: 'float64', dims: [0, 4], data: new Float64Array() } } }],
    ['NaN', one([Number.NaN, 1, 1, 1])],
    ['infinity', one([1, Number.POSITIVE_INFINITY, 1, 1])],
    ['another name', { tensors: { input: matrix([row]).X } }],
    ['no matrix', { tensors: { X: { type: 'float64', dims: [4], data: Float64Array.from(row) } } }],
    ['texts', { tensors: { X: { type: 'string', dims: [1, 4], data: ['a', 'b', 'c', 'd'] } } }],
    ['an output that it has not', { ...one(row), outputs: ['predict_log_proba'] }],
  ] as const)('refuses %s and goes on answering', async (_what, work) => {
    const model = await keep.load('mymodel_v2');
    const pids = keep.status().runners.map(({ pid }) => pid);
    await expect(model.infer(work)).rejects.toMatchObject({ code: 'INVALID_INPUT' });
    expect(numbersOf((await model.infer(one(row))).tensors.predict)).toEqual([0]);
    expect(keep.status().runners.map(({ pid }) => pid)).toEqual(pids);
  });

  it('refuses text, since there is no task', async () => {
    await expect(keep.predict('mymodel_v1', 'setosa?')).rejects.toMatchObject({ code: 'INVALID_INPUT' });
  });
});

describe('what is published', () => {
  it('records what the file imports', async () => {
    const { metadata } = (await keep.load('mymodel_v1')).record;
    expect(metadata).toMatchObject({ pickle: { sklearn: '1.9.1', complete: true, unsafeGlobals: [] } });
  });

  it.each([
    ['zlib', deflateSync],
    ['gzip', gzipSync],
  ] as const)('answers from a file compressed with %s', async (compression, compress) => {
    await home.publish(compression, compress(readFileSync(join(IRIS, 'mymodel_v1.joblib'))));
    const model = await keep.load(compression);
    expect(model.record.metadata).toMatchObject({ pickle: { compression, complete: true } });
    const { tensors } = await model.infer({ tensors: matrix(golden.data) });
    expect(numbersOf(tensors.predict)).toEqual(golden.models.mymodel_v1.predict);
  });

  it('is refused if it only claims to be a pickle', async () => {
    await expect(home.publish('liar', Buffer.from('no pickle at all'))).rejects.toMatchObject({
      code: 'INVALID_ARTIFACT',
    });
  });

  it('is refused by the runner if it is compressed and damaged where the scan cannot look', async () => {
    await home.publish('xz', Uint8Array.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0, 1, 2, 3]));
    await expect(keep.load('xz')).rejects.toMatchObject({ code: 'LOAD_FAILED' });
  });

  it('is refused if it is no estimator', async () => {
    await home.publish('number', Buffer.from('I42\n.'));
    await expect(keep.load('number')).rejects.toMatchObject({ code: 'LOAD_FAILED' });
  });
});

describe('where pickles are not allowed', () => {
  it('refuses with UNSAFE_FORMAT and starts no Python', async () => {
    const started = join(home.folder, 'python-was-started');
    const program = join(home.folder, 'python');
    writeFileSync(program, `#!/bin/sh\n: > '${started}'\nexec '${python}' "$@"\n`);
    chmodSync(program, 0o755);
    {
      await using closed = await home.open(program, { allowPickle: 'off' });
      await expect(closed.load('mymodel_v1')).rejects.toMatchObject({ code: 'UNSAFE_FORMAT' });
      expect(closed.status().runners).toHaveLength(1);
    }
    expect(existsSync(started)).toBe(false);
    // The same program is started where they are allowed, so its mark is a proof.
    await using open = await home.open(program);
    expect(existsSync(started)).toBe(false);
    await open.load('mymodel_v1');
    expect(existsSync(started)).toBe(true);
  });

  it('is the default', () => {
    expect(resolveSettings({}).values.allowPickle).toBe('off');
  });
});

describe('a Python that is not fit', () => {
  it('is named when there is none', async () => {
    await using none = await home.open('/nonexistent/python');
    await expect(none.load('mymodel_v1')).rejects.toMatchObject({ code: 'RUNNER_CRASHED' });
  });
});
