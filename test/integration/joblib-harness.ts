import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { expect } from 'vitest';
import { openModelkeep, openStore, push, type Modelkeep, type OpenOptions } from '../../src/app/index.js';
import type { Tensor } from '../../src/core/index.js';

/** The fixtures of the iris models. */
export const IRIS = fileURLToPath(new URL('../fixtures/iris', import.meta.url));

/** What scikit-learn says of the 150 iris rows. */
export interface IrisGolden {
  readonly data: readonly (readonly number[])[];
  readonly models: Readonly<
    Record<
      'mymodel_v1' | 'mymodel_v2',
      {
        readonly predict: readonly number[];
        readonly decision_function: readonly (readonly number[])[];
        readonly predict_proba?: readonly (readonly number[])[];
        /** By file; with a ZipMap a row of scores is a map by label. */
        readonly onnx: Readonly<
          Record<string, { readonly scores: readonly (readonly number[] | Readonly<Record<string, number>>)[] }>
        >;
      }
    >
  >;
}

export const golden = JSON.parse(readFileSync(join(IRIS, 'golden.json'), 'utf8')) as IrisGolden;

/** Goldens are rounded to 6 decimals. */
export const TOLERANCE = 1e-5;

/** The Python with scikit-learn that these tests have for themselves. */
export async function sklearnPython(): Promise<string> {
  const script = fileURLToPath(new URL('../../scripts/sklearn-environment.mjs', import.meta.url));
  const module = (await import(pathToFileURL(script).href)) as { findSklearnPython(): Promise<string> };
  return module.findSklearnPython();
}

/** A folder with a store and a cache, removed at the end. */
export interface PickleHome extends Disposable {
  readonly folder: string;
  readonly store: string;
  /** Publishes a file with these bytes as the next version of a model. */
  publish(model: string, bytes: Uint8Array): Promise<void>;
  /** Publishes a file of the iris fixtures. */
  publishIris(model: string, file: string): Promise<void>;
  /** Opens a node that loads pickles with that Python. */
  open(python: string, options?: OpenOptions): Promise<Modelkeep>;
}

/** Makes an empty {@link PickleHome}. */
export function pickleHome(): PickleHome {
  const folder = mkdtempSync(join(tmpdir(), 'modelkeep-joblib-'));
  const store = pathToFileURL(join(folder, 'store')).href;
  const pushFile = async (model: string, file: string): Promise<void> => {
    await using opened = await openStore(store);
    await push(opened, file, { name: model });
  };
  return {
    folder,
    store,
    async publish(model, bytes) {
      const file = join(folder, `${model}.joblib`);
      writeFileSync(file, bytes);
      await pushFile(model, file);
    },
    publishIris: (model, file) => pushFile(model, join(IRIS, file)),
    open: (python, options = {}) =>
      openModelkeep({
        store,
        cacheDir: join(folder, 'cache'),
        runners: 1,
        threads: 1,
        pollIntervalMs: 100,
        allowPickle: 'safe',
        python,
        ...options,
      }),
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** Rows as the models' input. */
export function matrix(rows: readonly (readonly number[])[]): { readonly X: Tensor } {
  return { X: { type: 'float64', dims: [rows.length, rows[0]?.length ?? 0], data: Float64Array.from(rows.flat()) } };
}

/** The numbers of a tensor. */
export function numbersOf(tensor: Tensor | undefined): number[] {
  return Array.from((tensor?.data ?? []) as ArrayLike<number | bigint>, Number);
}

/** The largest difference of two lists of equal length; `NaN` if the lengths differ. */
export function gap(a: readonly number[], b: readonly number[]): number {
  if (a.length !== b.length) return Number.NaN;
  return a.reduce((largest, value, index) => Math.max(largest, Math.abs(value - (b[index] ?? Number.NaN))), 0);
}

/** A pickle (protocol 0) that calls a function with one text. */
export function callOf(module: string, name: string, argument: string): Buffer {
  // Protocol 0 reads texts with Python's escapes, which JSON's are for these characters.
  const text = argument.replaceAll('\\', '\\u005c').replaceAll('\n', '\\u000a');
  return Buffer.from(`c${module}\n${name}\n(V${text}\ntR.`);
}

/**
 * A pickle of an estimator whose `predict` gives the texts that running `source` put into the list `found`. It needs
 * nothing but `eval`.
 */
export function estimatorThatRuns(source: string): Buffer {
  const program = [
    'found = []',
    'def attempt(what):',
    '    try:',
    '        found.append(repr(what()))',
    '    except BaseException as error:',
    '        found.append(type(error).__name__)',
    source,
    'class Probe:',
    '    n_features_in_ = 1',
    '    def predict(self, rows):',
    '        return found',
  ].join('\n');
  return callOf('builtins', 'eval', `(lambda g: (exec(${JSON.stringify(program)}, g), g["Probe"]())[1])({})`);
}

/** Other versions never notice what one of them does: `iris` (pickled) and `graph` (ONNX) answer as they should. */
export async function expectIrisToAnswer(keep: Modelkeep): Promise<void> {
  const iris = await keep.load('iris');
  const { tensors } = await iris.infer({ tensors: matrix(golden.data) });
  expect(numbersOf(tensors.predict)).toEqual(golden.models.mymodel_v1.predict);
  const graph = await keep.load('graph');
  const { inputs } = await keep.parts.service.describe('graph');
  const X = { type: 'float32', dims: [1, 4], data: Float32Array.from(golden.data[0] ?? []) } as const;
  const answer = await graph.infer({ tensors: { [inputs[0]?.name ?? '']: X } });
  expect(numbersOf(Object.values(answer.tensors)[0])).toEqual([0]);
}
