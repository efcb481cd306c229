import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { knownKeys } from '../../src/formats/adapter/keys.js';
import { compareAdapter } from '../unit/formats/adapted-folder.js';

/** A Python that has torch, transformers and peft: what MODELKEEP_PYTHON names, or the first one of the path. */
const python = process.env['MODELKEEP_PYTHON'] ?? 'python3';
const seed = process.env['MODELKEEP_SEED'] ?? String(Date.now() % 1_000_000);
const out = mkdtempSync(join(tmpdir(), 'modelkeep-adapters-'));
afterAll(() => rmSync(out, { recursive: true, force: true }));

/** The makers of adapters, and what each of them needs of Python. */
const MAKERS = [
  {
    maker: 'make_adapters.py',
    needs: 'import torch, transformers, peft',
    install:
      "Install them (apt-get install python3-torch; pip install 'transformers<4.47' jinja2; pip install --no-deps " +
      "'accelerate<1' 'peft<0.15', or pip brings another torch)",
  },
  {
    maker: 'make_newest_adapters.py',
    needs:
      'import torch, transformers, peft, sentence_transformers; peft.TrainableTokensConfig; transformers.Gemma3Config',
    install: 'Install the newest (pip install torch transformers peft sentence-transformers)',
  },
  {
    maker: 'make_random_adapters.py',
    needs:
      'import torch, transformers, peft, sentence_transformers; peft.TrainableTokensConfig; transformers.Gemma3Config',
    install: 'Install the newest (pip install torch transformers peft sentence-transformers)',
  },
];

/** Makes the adapters; the seed is told, so that what fails can be made again with MODELKEEP_SEED. */
function madeBy(maker: string): readonly string[] {
  const script = join(import.meta.dirname, '../fixtures/make', maker);
  const { status, stderr } = spawnSync(python, [script, join(out, maker), seed], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${maker} ended with ${status}: ${stderr.slice(-2_000)}`);
  console.log(`${maker} made adapters with the seed ${seed}`);
  return readdirSync(join(out, maker))
    .filter((name) => name !== 'sentences')
    .toSorted();
}

/** Prints the settings of each method in the release of peft that Python has. */
const SETTINGS = `
import dataclasses, json, peft
methods = {"LORA": peft.LoraConfig, "ADALORA": peft.AdaLoraConfig, "IA3": peft.IA3Config, "LN_TUNING": peft.LNTuningConfig,
           "TRAINABLE_TOKENS": peft.TrainableTokensConfig}
print(json.dumps({name: [field.name for field in dataclasses.fields(one)] for name, one in methods.items()}))
`;

test('each setting of the methods that are served is known', (context) => {
  const { status, stdout } = spawnSync(python, ['-c', SETTINGS], { encoding: 'utf8' });
  if (status !== 0) return context.skip('Python has no peft with these methods');
  for (const [method, settings] of Object.entries(JSON.parse(stdout) as Record<string, readonly string[]>)) {
    const known = knownKeys(method);
    expect({ method, unknown: settings.filter((setting) => !known.has(setting)) }).toEqual({ method, unknown: [] });
  }
});

describe.each(MAKERS)('adapters that peft saves answer as it computes them: $maker', ({ maker, needs, install }) => {
  const isInstalled = spawnSync(python, ['-c', needs], { stdio: 'ignore' }).status === 0;
  if (!isInstalled) {
    console.warn(
      `SKIPPED: ${python} has not what ${maker} needs to make adapters. ${install}, or name another Python in MODELKEEP_PYTHON.`,
    );
  }
  test.skipIf(!isInstalled).each(isInstalled ? madeBy(maker) : ['adapters'])('%s', async (name) => {
    const { alone, inBatch, rows } = await compareAdapter(join(out, maker, name));
    expect(rows).toBeGreaterThan(1);
    expect(alone, `${name} of seed ${seed}`).toBeLessThan(1e-4);
    expect(inBatch, `${name} of seed ${seed}`).toBeLessThan(1e-4);
  });
});
