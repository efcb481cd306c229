import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Modelkeep } from '../../src/app/index.js';
import { golden, matrix, pickleHome, sklearnPython, type PickleHome } from './joblib-harness.js';

const run = promisify(execFile);
const MAKE = fileURLToPath(new URL('children/make-estimators.py', import.meta.url));

let home: PickleHome;
let keep: Modelkeep;
let predictions: Readonly<Record<string, readonly (number | string)[]>>;

beforeAll(async () => {
  const python = await sklearnPython();
  home = pickleHome();
  const { stdout } = await run(python, [MAKE, home.folder], { timeout: 120_000 });
  predictions = JSON.parse(stdout) as typeof predictions;
  keep = await home.open(python);
}, 400_000);

afterAll(async () => {
  await keep.close();
  home[Symbol.dispose]();
});

/** A label, or a number to nine digits: sums of floats differ in the last ones by the number of threads. */
function comparable(answer: number | bigint | string): number | string {
  return typeof answer === 'string' ? answer : Number(Number(answer).toPrecision(9));
}

/** Compressed in a way that only Python unpacks. */
const UNREADABLE = new Set(['pipeline', 'regression', 'short-texts']);

it.each([
  'forest',
  'boosting',
  'histogram',
  'logistic',
  'sgd',
  'neighbors',
  'network',
  'bayes',
  'pipeline',
  'regression',
  'texts',
  'short-texts',
])('%s is read, allowed and answers as scikit-learn does', async (name) => {
  await home.publish(name, readFileSync(join(home.folder, `${name}.joblib`)));
  const model = await keep.load(name);
  expect(model.record.metadata).toMatchObject({
    pickle: { complete: !UNREADABLE.has(name), unsafeGlobals: [] },
  });
  const { tensors } = await model.infer({ tensors: matrix(golden.data), outputs: ['predict'] });
  const answers = Array.from(tensors.predict?.data as ArrayLike<number | bigint | string>, comparable);
  expect(answers).toEqual(predictions[name]?.map(comparable));
});
