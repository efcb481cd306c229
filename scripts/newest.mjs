/**
 * `npm run test:newest`: what the newest releases of transformers, sentence-transformers and peft save, published and
 * compared with their answers. They are those of the Python that MODELKEEP_NEWEST_PYTHON names, else of an environment
 * that is made in `.cache/venv-newest`; remove that to have later ones. Arguments go to vitest.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { pythonEnvironment } from './python-environment.mjs';
import { root, setUp } from './set-up.mjs';

/** Not pinned: the newest are the point. */
const PACKAGES = ['torch', 'transformers', 'sentence-transformers', 'peft'];

setUp();
const python =
  process.env['MODELKEEP_NEWEST_PYTHON'] ?? join(await pythonEnvironment('venv-newest', PACKAGES), 'python');
const vitest = [`${root}node_modules/vitest/vitest.mjs`, 'run', '--config', 'vitest.newest.config.ts'];
const { status } = spawnSync(process.execPath, [...vitest, ...process.argv.slice(2)], {
  cwd: root,
  stdio: 'inherit',
  env: { ...process.env, MODELKEEP_PYTHON: python },
});
process.exit(status ?? 1);
