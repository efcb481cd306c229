/**
 * Finds a MongoDB-compatible server for tests: `mongod` on PATH, else SecantusDB in an environment of the project's own.
 * Prints its kind and its program's path when run.
 */
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pythonEnvironment } from './python-environment.mjs';

const PACKAGES = ['SecantusDB==0.7.0b3', 'pymongo'];

/** The program that serves MongoDB's protocol, as `{ kind: 'mongod' | 'secantus', program }`. */
export async function findMongoServer() {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    const program = join(folder, 'mongod');
    if (folder !== '' && existsSync(program)) return { kind: 'mongod', program };
  }
  return { kind: 'secantus', program: join(await pythonEnvironment('venv-mongodb', PACKAGES), 'secantusd-py') };
}

/** A Python with pymongo and gridfs, for scripts that know nothing of modelkeep. */
export async function findPython() {
  return join(await pythonEnvironment('venv-mongodb', PACKAGES), 'python');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { kind, program } = await findMongoServer();
  process.stdout.write(`${kind} ${program}\n`);
}
