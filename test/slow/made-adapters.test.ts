import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { compareAdapter } from '../unit/formats/adapted-folder.js';

/** A Python that has torch, transformers and peft: what MODELKEEP_PYTHON names, or the first one of the path. */
const python = process.env['MODELKEEP_PYTHON'] ?? 'python3';
const seed = process.env['MODELKEEP_SEED'] ?? String(Date.now() % 1_000_000);
const maker = join(import.meta.dirname, '../fixtures/make/make_adapters.py');
const out = mkdtempSync(join(tmpdir(), 'modelkeep-adapters-'));
afterAll(() => rmSync(out, { recursive: true, force: true }));

const isInstalled = spawnSync(python, ['-c', 'import torch, transformers, peft'], { stdio: 'ignore' }).status === 0;
if (!isInstalled) {
  console.warn(
    `SKIPPED: ${python} has no torch, transformers and peft, which make adapters. Install them (apt-get install ` +
      "python3-torch; pip install 'transformers<4.47' jinja2; pip install --no-deps 'accelerate<1' 'peft<0.15', or pip " +
      'brings another torch), or name another Python in MODELKEEP_PYTHON.',
  );
}

/** Makes the adapters; the seed is told, so that what fails can be made again with MODELKEEP_SEED. */
function made(): readonly string[] {
  const { status, stderr } = spawnSync(python, [maker, out, seed], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${maker} ended with ${status}: ${stderr.slice(-2_000)}`);
  console.log(`made adapters with the seed ${seed}`);
  return readdirSync(out).toSorted();
}

describe.skipIf(!isInstalled)('adapters that peft saves answer as the model that it merges', () => {
  test.each(isInstalled ? made() : [])('%s', async (name) => {
    const { alone, inBatch, rows } = await compareAdapter(join(out, name));
    expect(rows).toBe(3);
    expect(alone, `${name} of seed ${seed}`).toBeLessThan(1e-4);
    expect(inBatch, `${name} of seed ${seed}`).toBeLessThan(1e-4);
  });
});
