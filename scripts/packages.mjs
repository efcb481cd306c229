/**
 * `npm run test:packages`: models that real packages ship, published as they are and compared with the libraries that they
 * are for. `test/slow/packages.json` names them; they come from the registries that pip and Maven are set up for, by these
 * programs, and are kept in `.cache/packages` (1 GB). The Python is what MODELKEEP_NEWEST_PYTHON names, else made.
 * Arguments go to vitest.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { pythonEnvironment } from './python-environment.mjs';
import { root, setUp } from './set-up.mjs';

const PACKAGES = ['torch', 'transformers', 'sentence-transformers', 'model2vec', 'onnxruntime', 'tokenizers'];
/** How long a package may take to come, in ms. */
const PATIENCE_MS = 600_000;
const list = join(root, 'test/slow/packages.json');
const cache = join(root, '.cache/packages');

function mustRun(program, args) {
  const { status, error, stderr, stdout } = spawnSync(program, args, { encoding: 'utf8', timeout: PATIENCE_MS });
  if (status === 0) return;
  throw new Error(`${program} ${args.join(' ')} failed: ${error?.message ?? (stderr + stdout).slice(-1_000)}`);
}

/** Fetches what a package consists of, under its name; what is there already is kept. */
function fetchPackage({ name, pip, maven }, python) {
  const folder = join(cache, 'downloads', name);
  if (existsSync(folder)) return;
  const coming = `${folder}.coming`;
  rmSync(coming, { recursive: true, force: true });
  mkdirSync(coming, { recursive: true });
  console.error(`Fetching ${name} …`);
  if (pip)
    mustRun(python, ['-m', 'pip', 'download', '--quiet', '--no-deps', '--only-binary=:all:', '-d', coming, ...pip]);
  else mustRun('mvn', ['-q', 'dependency:copy', `-Dartifact=${maven}`, `-DoutputDirectory=${coming}`]);
  renameSync(coming, folder);
}

setUp();
const python =
  process.env['MODELKEEP_NEWEST_PYTHON'] ?? join(await pythonEnvironment('venv-packages', PACKAGES), 'python');
for (const each of JSON.parse(readFileSync(list, 'utf8'))) fetchPackage(each, python);
const answers = join(cache, 'answers');
console.error('Asking the libraries …');
mustRun(python, [join(root, 'test/fixtures/make/ask_packages.py'), list, join(cache, 'downloads'), answers]);
const vitest = [`${root}node_modules/vitest/vitest.mjs`, 'run', '--config', 'vitest.slow.config.ts'];
const { status } = spawnSync(process.execPath, [...vitest, 'test/slow/packages.test.ts', ...process.argv.slice(2)], {
  cwd: root,
  stdio: 'inherit',
  env: { ...process.env, MODELKEEP_PACKAGES: answers },
});
process.exit(status ?? 1);
