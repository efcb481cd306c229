import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Modelkeep } from '../../src/app/index.js';
import { anonymousMemory } from '../../src/runners/index.js';
import { golden, matrix, pickleHome, sklearnPython, type PickleHome } from './joblib-harness.js';

/** An estimator that holds 48 MB of rows. */
const MAKE = `
import sys, joblib, numpy
from sklearn.neighbors import KNeighborsClassifier
rows = numpy.random.default_rng(0).random((1_500_000, 4))
joblib.dump(KNeighborsClassifier(1, algorithm="brute").fit(rows[:], numpy.zeros(len(rows), dtype="int8")), sys.argv[1])
`;
const HELD_BYTES = 48_000_000;

let home: PickleHome;
let keep: Modelkeep;

beforeAll(async () => {
  const python = await sklearnPython();
  home = pickleHome();
  const file = join(home.folder, 'large.joblib');
  await promisify(execFile)(python, ['-c', MAKE, file], { timeout: 120_000 });
  await home.publish('large', readFileSync(file));
  await home.publishIris('small', 'mymodel_v1.joblib');
  keep = await home.open(python);
}, 400_000);

afterAll(async () => {
  await keep.close();
  home[Symbol.dispose]();
});

it('the memory of a pickled version is given back when it is let go, all of it with the last one', async () => {
  const { residency, pickles, pool } = keep.parts;
  // Of the processes that hold versions alone: this one, which runs the test, grows and shrinks for reasons of its own.
  // And without shared libraries, whose pages count more for each as other tests' processes end.
  const memory = async (): Promise<number> => {
    const pids = [...pool.runners, ...(pickles?.runners ?? [])].map(({ pid }) => pid);
    const sizes = await Promise.all(pids.map((pid) => anonymousMemory(pid)));
    return sizes.reduce<number>((sum, size) => sum + (size ?? Number.NaN), 0);
  };
  const ask = async (name: string): Promise<string> => {
    const model = await keep.load(name);
    await model.infer({ tensors: matrix(golden.data.slice(0, 2)), outputs: ['predict'] });
    return model.record.id;
  };
  // Once before anything is measured, so that what this process itself grows to is there.
  await residency.release(await ask('large'));
  expect(pickles?.runners).toEqual([]);
  const before = await memory();
  const small = await ask('small');
  const beside = await memory();
  const large = await ask('large');
  const held = await memory();
  expect(held - beside).toBeGreaterThan(HELD_BYTES);
  await residency.release(large);
  // The rows are gone; buffers that the libraries made for the first request stay in the process, for the next one.
  expect((await memory()) - beside).toBeLessThan(HELD_BYTES / 2);
  expect(pickles?.runners).toHaveLength(1);
  await residency.release(small);
  expect(pickles?.runners).toEqual([]);
  expect(await memory()).toBeLessThan(1.1 * before);
});
