/** Virtual environments of the project's own, for what the tests need of Python; made on first use, kept in `.cache/`. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const cache = fileURLToPath(new URL('../.cache/', import.meta.url));
/** How long one may take to make, and so how long others wait for it, in ms. */
const PATIENCE_MS = 300_000;
const LOOK_AGAIN_MS = 200;

function mustRun(program, args) {
  const { status, error, stderr } = spawnSync(program, args, { encoding: 'utf8', timeout: PATIENCE_MS });
  if (status === 0) return;
  throw new Error(
    `No Python environment for the tests: ${program} ${args.slice(0, 3).join(' ')} failed ` +
      `(${error?.message ?? stderr.trim()}). Install Python 3.11 or newer with venv and pip, and see that pip can ` +
      'reach its package index.',
  );
}

/** Takes a lock that mkdir makes atomic; waits for whoever holds it. */
async function lock(folder) {
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    try {
      mkdirSync(folder);
      return;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
    if (Date.now() > deadline)
      throw new Error(`Another process holds ${folder} for 5 minutes; remove it and try again`);
    await delay(LOOK_AGAIN_MS);
  }
}

/** True if the environment that carries `mark` was filled with these packages. */
function holds(mark, packages) {
  return existsSync(mark) && readFileSync(mark, 'utf8') === packages.join('\n');
}

/**
 * The `bin` folder of the environment `name`, made with `packages` if it is not there yet, or filled again if it was
 * made with others. It holds absolute paths, so it is filled at its final place, under a lock, and marked with its
 * packages when it is complete.
 */
export async function pythonEnvironment(name, packages) {
  const environment = join(cache, name);
  const mark = join(environment, '.packages');
  const bin = join(environment, 'bin');
  if (holds(mark, packages)) return bin;
  mkdirSync(cache, { recursive: true });
  await lock(`${environment}.lock`);
  try {
    if (holds(mark, packages)) return bin;
    console.error(`Making the Python environment ${name} with ${packages.join(', ')} …`);
    if (!existsSync(join(environment, '.complete')) && !existsSync(mark)) {
      rmSync(environment, { recursive: true, force: true });
      mustRun('python3', ['-m', 'venv', environment]);
    }
    mustRun(join(bin, 'python'), ['-m', 'pip', 'install', '--quiet', ...packages]);
    writeFileSync(mark, packages.join('\n'));
    return bin;
  } finally {
    rmSync(`${environment}.lock`, { recursive: true, force: true });
  }
}
