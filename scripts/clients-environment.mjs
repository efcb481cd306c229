/** The Pythons with the clients that the server has to satisfy unchanged. Prints the first one's path when run. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pythonEnvironment } from './python-environment.mjs';

/**
 * Pinned, so that a test that fails tells of a change of ours and not of theirs. Those of `npm test` come first; each
 * other environment takes 300 to 450 MB, and is made by `npm run test:clients` alone.
 */
const ENVIRONMENTS = {
  clients: [
    'tritonclient[http,grpc]==2.73.0',
    'huggingface_hub==2.4.0',
    'openai==3.57.0',
    'cohere==7.3.1',
    'requests==2.34.2',
  ],
  kserve: ['kserve==0.21.0'],
  // Its codecs do not know the type that pandas 3 gives to texts.
  mlserver: ['mlserver==1.7.1', 'pandas==2.3.3', 'requests==2.34.2'],
  frameworks: [
    'langchain-huggingface==1.2.3',
    'llama-index-embeddings-text-embeddings-inference==0.6.0',
    'llama-index-postprocessor-tei-rerank==0.6.0',
  ],
};

/** The Python program of one of these environments. */
export async function findClientsPython(name = 'clients') {
  return join(await pythonEnvironment(`venv-${name}`, ENVIRONMENTS[name]), 'python');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.stdout.write(`${await findClientsPython()}\n`);
