import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CaseBench } from '../integration/cases/case-bench.js';
import { differenceOf } from '../integration/tasks-model.js';

interface Golden {
  readonly task: string;
  readonly requests: readonly { inputs: unknown; parameters: Record<string, unknown>; answer: unknown }[];
}

/** A Python that has the newest releases: what MODELKEEP_PYTHON names, as `npm run test:newest` does, or the first one of the path. */
const python = process.env['MODELKEEP_PYTHON'] ?? 'python3';
const seed = process.env['MODELKEEP_SEED'] ?? String(Date.now() % 1_000_000);
const maker = join(import.meta.dirname, '../fixtures/make/make_newest.py');
const out = mkdtempSync(join(tmpdir(), 'modelkeep-newest-'));

const isInstalled =
  spawnSync(python, ['-c', 'from sentence_transformers import SparseEncoder'], { stdio: 'ignore' }).status === 0;
if (!isInstalled) {
  console.warn(
    `SKIPPED: ${python} has no sentence-transformers of release 5 or newer. npm run test:newest makes a Python that has it`,
  );
}

/** Makes the models; the seed is told, so that what fails can be made again with MODELKEEP_SEED. */
function made(): readonly string[] {
  const { status, stdout, stderr } = spawnSync(python, [maker, out, seed], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${maker} ended with ${status}: ${stderr.slice(-2_000)}`);
  console.log(`${stdout.trim()}, seed ${seed}`);
  return readdirSync(out).toSorted();
}

let cases: CaseBench;
beforeAll(async () => {
  cases = await CaseBench.open();
});
afterAll(async () => {
  await cases.close();
  rmSync(out, { recursive: true, force: true });
});

/** Tasks that are one of several of a model, so that it has to be named. */
const NAMED = new Set(['zero-shot-classification']);

describe.skipIf(!isInstalled)('models that the newest releases save answer as those releases do:', () => {
  test.each(isInstalled ? made() : [])('%s', async (name) => {
    const folder = join(out, name);
    const { task, requests } = JSON.parse(readFileSync(join(folder, 'golden.json'), 'utf8')) as Golden;
    rmSync(join(folder, 'golden.json'));
    const { record } = await cases.publish(folder, NAMED.has(task) ? { task } : {});
    expect(record.task).toBe(task);
    const model = await cases.keep.load(record.model);
    for (const { inputs, parameters, answer } of requests) {
      expect(
        differenceOf(await model.predict(inputs, { parameters }), answer),
        `${name} of seed ${seed}`,
      ).toBeUndefined();
    }
  });
});
