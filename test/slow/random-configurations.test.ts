import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { compareFolder } from '../unit/formats/golden-folder.js';

/** A Python that has torch and transformers: what MODELKEEP_PYTHON names, or the first one of the path. */
const python = process.env['MODELKEEP_PYTHON'] ?? 'python3';
const seed = process.env['MODELKEEP_SEED'] ?? String(Date.now() % 1_000_000);
const rounds = process.env['MODELKEEP_ROUNDS'] ?? '3';
const maker = join(import.meta.dirname, '../fixtures/make/make_random.py');
const out = mkdtempSync(join(tmpdir(), 'modelkeep-random-'));
afterAll(() => rmSync(out, { recursive: true, force: true }));

const probe = spawnSync(python, ['-c', 'import torch, transformers'], { stdio: 'ignore' });
const isInstalled = probe.status === 0;
if (!isInstalled) {
  console.warn(
    `SKIPPED: ${python} has no torch and transformers, which make random checkpoints. Install them (apt-get install ` +
      "python3-torch; pip install 'transformers<4.47', or 4.48 for modernbert), or name another Python in MODELKEEP_PYTHON.",
  );
}

/** Makes the checkpoints; the seed is told, so that what fails can be made again with MODELKEEP_SEED. */
function made(): readonly string[] {
  const { status, stdout, stderr } = spawnSync(python, [maker, out, seed, rounds], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${maker} ended with ${status}: ${stderr.slice(-2_000)}`);
  console.log(stdout.trim());
  return readdirSync(out).toSorted();
}

describe.skipIf(!isInstalled)('random configurations answer as transformers does', () => {
  test.each(isInstalled ? made() : [])('%s', async (name) => {
    const { alone, inBatch, given, expected } = await compareFolder(join(out, name));
    expect(given).toEqual(expected);
    expect({ alone: alone < 1e-4, inBatch: inBatch < 1e-4 }, `${name} of seed ${seed}: ${alone}, ${inBatch}`).toEqual({
      alone: true,
      inBatch: true,
    });
  });
});
