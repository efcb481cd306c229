/** The Python with scikit-learn that tests of pickled models need. Prints its program's path when run. */
import { spawnSync } from 'node:child_process';
import { existsSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pythonEnvironment } from './python-environment.mjs';

/** The releases that made test/fixtures/iris; pymongo is what the fixtures' scripts publish with. */
const PACKAGES = ['scikit-learn==1.9.1', 'joblib==1.6.0', 'skops==0.16.0', 'pymongo'];

/** The Python program of that environment. */
export async function findSklearnPython() {
  return join(await pythonEnvironment('venv-estimators', PACKAGES), 'python');
}

/** Wheels of an older release, from which tests make environments without a package index. */
const WHEELS = ['scikit-learn==1.5.2', 'joblib==1.4.2', 'numpy==2.2.6', 'scipy==1.14.1', 'threadpoolctl==3.5.0'];
const cache = fileURLToPath(new URL('../.cache/', import.meta.url));

/** A folder of wheels, filled on first use, the requirements that it meets, and where their environments are kept. */
export async function findWheelhouse() {
  const python = await findSklearnPython();
  const wheelhouse = join(cache, 'wheelhouse');
  if (!existsSync(wheelhouse)) {
    // It gets its name when it is complete; of two that fill one at a time, the first wins.
    const filling = `${wheelhouse}-${process.pid}`;
    const args = ['-m', 'pip', 'download', '--quiet', '--only-binary', ':all:', '--dest', filling, ...WHEELS];
    const { status, error, stderr } = spawnSync(python, args, { encoding: 'utf8', timeout: 300_000 });
    if (status !== 0) {
      rmSync(filling, { recursive: true, force: true });
      throw new Error(`No wheels for the tests: pip download failed (${error?.message ?? stderr.trim()})`);
    }
    try {
      renameSync(filling, wheelhouse);
    } catch (failure) {
      rmSync(filling, { recursive: true, force: true });
      if (!existsSync(wheelhouse)) throw failure;
    }
  }
  return { wheelhouse, requirements: WHEELS, environments: join(cache, 'environments') };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.stdout.write(`${await findSklearnPython()}\n`);
