/** The Python with the Rust library that our tokenizers are held against. Prints its program's path when run. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pythonEnvironment } from './python-environment.mjs';

/** The release that package.json names, so that a difference is ours. */
const PACKAGES = ['tokenizers==0.23.2'];

/** The Python program of that environment. */
export async function findTokenizersPython() {
  return join(await pythonEnvironment('venv-tokenizers', PACKAGES), 'python');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.stdout.write(`${await findTokenizersPython()}\n`);
