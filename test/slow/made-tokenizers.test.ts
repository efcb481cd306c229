import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { compareMade, filesOf, type Made } from '../tokenizers/made-folders.js';

/** A Python that has transformers 4.46 and sentencepiece: what MODELKEEP_PYTHON names, or the first one of the path. */
const python = process.env['MODELKEEP_PYTHON'] ?? 'python3';
const seed = process.env['MODELKEEP_SEED'] ?? String(Date.now() % 1_000_000);
const count = process.env['MODELKEEP_COUNT'] ?? '300';
const maker = join(import.meta.dirname, '../fixtures/make/make_tokenizers.py');
const out = mkdtempSync(join(tmpdir(), 'modelkeep-made-'));
afterAll(() => rmSync(out, { recursive: true, force: true }));

const wanted = 'import sentencepiece, transformers; assert transformers.__version__.startswith("4.46")';
const isInstalled = spawnSync(python, ['-c', wanted], { stdio: 'ignore' }).status === 0;
if (!isInstalled) {
  console.warn(
    `SKIPPED: ${python} has no transformers 4.46 with sentencepiece, which make tokenizers. Install them (pip ` +
      "install 'transformers<4.47' sentencepiece protobuf), or name another Python in MODELKEEP_PYTHON.",
  );
}

/** Makes the folders; the seed is told, so that what fails can be made again with MODELKEEP_SEED. */
function made(): readonly string[] {
  const { status, stderr } = spawnSync(python, [maker, out, seed, count], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${maker} ended with ${status}: ${stderr.slice(-2_000)}`);
  console.log(`made tokenizers with the seed ${seed}`);
  return readdirSync(out).toSorted();
}

describe.skipIf(!isInstalled)('random settings give the tokenizer of AutoTokenizer, or are refused', () => {
  test.each(isInstalled ? made() : [])('%s', async (name) => {
    const folder = join(out, name);
    const golden = JSON.parse(readFileSync(join(folder, 'golden-4.json'), 'utf8')) as Made;
    const texts = JSON.parse(readFileSync(join(folder, 'texts.json'), 'utf8')) as readonly string[];
    const { difference } = await compareMade(filesOf(folder), golden, texts);
    expect(difference, `${name} of seed ${seed}`).toBeUndefined();
  });
});
