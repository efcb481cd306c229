/** The Python with scikit-learn that tests of pickled models need. Prints its program's path when run. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pythonEnvironment } from './python-environment.mjs';

/** The releases that made test/fixtures/iris; pymongo is what the fixtures' scripts publish with. */
const PACKAGES = ['scikit-learn==1.9.1', 'joblib==1.6.0', 'pymongo'];

/** The Python program of that environment. */
export async function findSklearnPython() {
  return join(await pythonEnvironment('venv-sklearn', PACKAGES), 'python');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.stdout.write(`${await findSklearnPython()}\n`);
