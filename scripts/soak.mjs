/** `npm run test:soak -- [--store local|mongodb] [--standalone] [--seconds N] [--seed N]`: random schedules of processes that are killed. */
import { spawnSync } from 'node:child_process';
import { parseArgs } from 'node:util';
import { findMongoServer } from './mongodb-server.mjs';
import { root, setUp } from './set-up.mjs';

const { values } = parseArgs({
  options: {
    store: { type: 'string' },
    // A MongoDB without replica set, so without transactions and change streams.
    standalone: { type: 'boolean' },
    seconds: { type: 'string' },
    seed: { type: 'string' },
  },
});
setUp();
// Made here, once, and not within the time limit of the test.
if (values.store !== 'local') await findMongoServer();
const names = {
  store: 'MODELKEEP_SOAK_STORE',
  standalone: 'MODELKEEP_SOAK_STANDALONE',
  seconds: 'MODELKEEP_SOAK_SECONDS',
  seed: 'MODELKEEP_SOAK_SEED',
};
const given = Object.entries(values).map(([name, value]) => [names[name], String(value)]);
const { status } = spawnSync(
  process.execPath,
  [`${root}node_modules/vitest/vitest.mjs`, 'run', '--config', 'vitest.slow.config.ts', 'test/slow/soak.test.ts'],
  { cwd: root, stdio: 'inherit', env: { ...process.env, ...Object.fromEntries(given) } },
);
process.exit(status ?? 1);
