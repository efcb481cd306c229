import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { differenceOfModules } from '../integration/sentence-golden.js';

/** A Python that has the newest sentence-transformers: what MODELKEEP_PYTHON names, or the first one of the path. */
const python = process.env['MODELKEEP_PYTHON'] ?? 'python3';
const seed = process.env['MODELKEEP_SEED'] ?? String(Date.now() % 1_000_000);
const maker = join(import.meta.dirname, '../fixtures/make/make_sentence_modules.py');
const out = mkdtempSync(join(tmpdir(), 'modelkeep-sentence-transformers-'));
afterAll(() => rmSync(out, { recursive: true, force: true }));

const wanted = 'from sentence_transformers.sentence_transformer.modules import LayerNorm';
const isInstalled = spawnSync(python, ['-c', wanted], { stdio: 'ignore' }).status === 0;
if (!isInstalled) {
  console.warn(
    `SKIPPED: ${python} has no sentence-transformers of release 6 or newer, which makes models. Install it (pip install ` +
      'sentence-transformers), or name another Python in MODELKEEP_PYTHON.',
  );
}

/** Makes the models; the seed is told, so that what fails can be made again with MODELKEEP_SEED. */
function made(): readonly string[] {
  const { status, stderr } = spawnSync(python, [maker, out, seed, '100'], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${maker} ended with ${status}: ${stderr.slice(-2_000)}`);
  console.log(`made models with the seed ${seed}`);
  return readdirSync(out).toSorted();
}

describe.skipIf(!isInstalled)('random modules give the vectors of sentence-transformers', () => {
  test.each(isInstalled ? made() : [])('%s', async (name) => {
    expect(await differenceOfModules(join(out, name)), `${name} of seed ${seed}`).toBeUndefined();
  });
});
