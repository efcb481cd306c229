// The Python with scikit-learn that tests of pickled models need: a virtual environment of the project's own, made on
// first use. Prints its program's path when run.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The releases that made test/fixtures/iris; pymongo is what the fixtures' scripts publish with. */
const PACKAGES = ['scikit-learn==1.9.1', 'joblib==1.6.0', 'pymongo'];
const cache = fileURLToPath(new URL('../.cache/', import.meta.url));
const environment = join(cache, 'venv-sklearn');

function mustRun(program, args) {
  const { status, error, stderr } = spawnSync(program, args, { encoding: 'utf8', timeout: 300_000 });
  if (status === 0) return;
  throw new Error(
    `No Python with scikit-learn for the tests: ${program} ${args.slice(0, 3).join(' ')} failed ` +
      `(${error?.message ?? stderr.trim()}). Install Python 3.11 or newer with venv and pip, and see that pip can ` +
      'reach its package index.',
  );
}

// A virtual environment holds absolute paths, so it is filled at its final place, under a lock that mkdir makes atomic.
async function makeEnvironment() {
  const lock = join(cache, 'venv-sklearn.lock');
  mkdirSync(cache, { recursive: true });
  const deadline = Date.now() + 300_000;
  for (;;) {
    try {
      mkdirSync(lock);
      break;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
    if (Date.now() > deadline) throw new Error(`Another process holds ${lock} for 5 minutes; remove it and try again`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  try {
    if (existsSync(join(environment, '.complete'))) return;
    rmSync(environment, { recursive: true, force: true });
    mustRun('python3', ['-m', 'venv', environment]);
    mustRun(join(environment, 'bin', 'python'), ['-m', 'pip', 'install', '--quiet', ...PACKAGES]);
    mkdirSync(join(environment, '.complete'));
  } finally {
    rmSync(lock, { recursive: true, force: true });
  }
}

/** The Python program of that environment. */
export async function findSklearnPython() {
  if (!existsSync(join(environment, '.complete'))) await makeEnvironment();
  return join(environment, 'bin', 'python');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.stdout.write(`${await findSklearnPython()}\n`);
