/** The Python with the clients that the server has to satisfy unchanged. Prints its program's path when run. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pythonEnvironment } from './python-environment.mjs';

/** Pinned, so that a test that fails tells of a change of ours and not of theirs. */
const PACKAGES = ['tritonclient[http,grpc]==2.73.0', 'huggingface_hub==2.4.0', 'openai==3.57.0'];

/** The Python program of that environment. */
export async function findClientsPython() {
  return join(await pythonEnvironment('venv-clients', PACKAGES), 'python');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.stdout.write(`${await findClientsPython()}\n`);
