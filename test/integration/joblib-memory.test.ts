import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Modelkeep } from '../../src/app/index.js';
import { anonymousMemory } from '../../src/runners/index.js';
import { estimatorThatRuns, golden, matrix, pickleHome, sklearnPython, type PickleHome } from './joblib-harness.js';

/** An estimator that holds 48 MB of rows. */
const MAKE = `
import sys, joblib, numpy
from sklearn.neighbors import KNeighborsClassifier
rows = numpy.random.default_rng(0).random((1_500_000, 4))
joblib.dump(KNeighborsClassifier(1, algorithm="brute").fit(rows[:], numpy.zeros(len(rows), dtype="int8")), sys.argv[1])
`;
const HELD_BYTES = 48_000_000;

/** What may stay of a version, in bytes: the tenth. */
const MAY_STAY_BYTES = 0.1 * HELD_BYTES;

/** A pickle that leaves 64 MB behind in its process: its code hangs them on a module. */
const LEAKS = estimatorThatRuns('import builtins\nbuiltins.left_behind = bytearray(64_000_000)');

let home: PickleHome;
let python: string;

beforeAll(async () => {
  python = await sklearnPython();
  home = pickleHome();
  const file = join(home.folder, 'large.joblib');
  await promisify(execFile)(python, ['-c', MAKE, file], { timeout: 120_000 });
  await home.publish('large', readFileSync(file));
  await home.publish('leaks', LEAKS);
  await home.publishIris('small', 'mymodel_v1.joblib');
}, 400_000);

afterAll(() => home[Symbol.dispose]());

/**
 * Memory of the processes that hold versions alone: this one, which runs the test, grows and shrinks for reasons of its
 * own. And without what files back: pages of shared libraries count more for each as other tests' processes end.
 */
async function memory({ parts: { pool, pickles } }: Modelkeep): Promise<number> {
  const pids = [...pool.pids, ...(pickles?.pids ?? [])];
  const sizes = await Promise.all(pids.map((pid) => anonymousMemory(pid)));
  return sizes.reduce<number>((sum, size) => sum + (size ?? Number.NaN), 0);
}

async function ask(keep: Modelkeep, name: string, columns = 4): Promise<string> {
  const model = await keep.load(name);
  const rows = golden.data.slice(0, 2).map((row) => row.slice(0, columns));
  await model.infer({ tensors: matrix(rows), outputs: ['predict'] });
  return model.record.id;
}

it('the memory of a pickled version is given back when it is let go: beside another one, and with the last', async () => {
  await using keep = await home.open(python);
  const { residency, pickles } = keep.parts;
  const before = await memory(keep);
  const small = await ask(keep, 'small');
  const beside = await memory(keep);
  const [process] = pickles?.runners ?? [];
  for (let cycle = 0; cycle < 2; cycle += 1) {
    const large = await ask(keep, 'large');
    expect((await memory(keep)) - beside).toBeGreaterThan(HELD_BYTES);
    await residency.release(large);
    expect((await memory(keep)) - beside).toBeLessThan(MAY_STAY_BYTES);
  }
  // It was given back by the very process.
  expect(pickles?.runners).toEqual([process]);
  await residency.release(small);
  expect(pickles?.runners).toEqual([]);
  expect((await memory(keep)) - before).toBeLessThan(MAY_STAY_BYTES);
});

it('a process that keeps what a pickled version left in it is replaced, and the others answer on', async () => {
  await using keep = await home.open(python, { allowPickle: 'any' });
  const { residency, pickles } = keep.parts;
  const renewed: number[] = [];
  residency.on('renewed', (bytes) => renewed.push(bytes));
  await ask(keep, 'small');
  const beside = await memory(keep);
  const [first] = pickles?.runners ?? [];
  const leaks = await ask(keep, 'leaks', 1);
  let answers = 0;
  const done = new AbortController();
  const client = (async (): Promise<void> => {
    for (; !done.signal.aborted; answers += 1) await ask(keep, 'small');
  })();
  await residency.release(leaks);
  done.abort();
  await client;
  expect(answers).toBeGreaterThan(0);
  expect(pickles?.runners).toHaveLength(1);
  expect(pickles?.runners[0]?.pid).not.toBe(first?.pid);
  expect(pickles?.restarts).toBe(0);
  expect(renewed).toHaveLength(1);
  expect(renewed[0]).toBeGreaterThan(0.9 * 64_000_000);
  expect((await memory(keep)) - beside).toBeLessThan(MAY_STAY_BYTES);
});
