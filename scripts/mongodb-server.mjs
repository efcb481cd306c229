// Finds a MongoDB-compatible server for tests: `mongod` on PATH, else SecantusDB in a virtual environment of the
// project's own, made on first use. Prints its program's path and its kind when run.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const PACKAGES = ['SecantusDB==0.7.0b3', 'pymongo'];
const cache = fileURLToPath(new URL('../.cache/', import.meta.url));
const environment = join(cache, 'venv-mongodb');
const ready = join(environment, 'bin', 'secantusd-py');

function mustRun(program, args) {
  const { status, error, stderr } = spawnSync(program, args, { encoding: 'utf8', timeout: 300_000 });
  if (status === 0) return;
  throw new Error(
    `No MongoDB server for the tests: ${program} ${args.slice(0, 3).join(' ')} failed (${error?.message ?? stderr.trim()}). ` +
      'Install Python 3 with venv and pip, and see that pip can reach its package index.',
  );
}

// A virtual environment holds absolute paths, so it is filled at its final place, under a lock that mkdir makes atomic.
async function makeEnvironment() {
  const lock = join(cache, 'venv-mongodb.lock');
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

async function ensureEnvironment() {
  if (!existsSync(join(environment, '.complete'))) await makeEnvironment();
}

/** The program that serves MongoDB's protocol, as `{ kind: 'mongod' | 'secantus', program }`. */
export async function findMongoServer() {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    const program = join(folder, 'mongod');
    if (folder !== '' && existsSync(program)) return { kind: 'mongod', program };
  }
  await ensureEnvironment();
  return { kind: 'secantus', program: ready };
}

/** A Python with pymongo and gridfs, for scripts that know nothing of modelkeep. */
export async function findPython() {
  await ensureEnvironment();
  return join(environment, 'bin', 'python');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { kind, program } = await findMongoServer();
  process.stdout.write(`${kind} ${program}\n`);
}
