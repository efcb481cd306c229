/** `npm run test:soak -- [--store local|mongodb] [--seconds N] [--seed N]`: random schedules of processes that are killed. */
import { spawnSync } from 'node:child_process';
import { parseArgs } from 'node:util';
import { findMongoServer } from './mongodb-server.mjs';
import { root, setUp } from './set-up.mjs';

const { values } = parseArgs({
  options: { store: { type: 'string' }, seconds: { type: 'string' }, seed: { type: 'string' } },
});
setUp();
// Made here, once, and not within the time limit of the test.
if (values.store !== 'local') await findMongoServer();
const names = { store: 'MODELKEEP_SOAK_STORE', seconds: 'MODELKEEP_SOAK_SECONDS', seed: 'MODELKEEP_SOAK_SEED' };
const given = Object.entries(values).map(([name, value]) => [names[name], value]);
const { status } = spawnSync(
  process.execPath,
  [`${root}node_modules/vitest/vitest.mjs`, 'run', '--config', 'vitest.slow.config.ts', 'test/slow/soak.test.ts'],
  { cwd: root, stdio: 'inherit', env: { ...process.env, ...Object.fromEntries(given) } },
);
process.exit(status ?? 1);
