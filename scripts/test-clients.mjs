/**
 * `npm run test:clients [-- --write]`: asks a server by every client that docs/clients.md lists, those with large
 * dependencies too. With --write the tables of that page are made of what was seen.
 */
import { spawnSync } from 'node:child_process';
import { findClientsPython } from './clients-environment.mjs';
import { root, setUp } from './set-up.mjs';

setUp();
for (const name of ['clients', 'kserve', 'mlserver', 'frameworks']) await findClientsPython(name);
const write = process.argv.includes('--write');
const others = process.argv.slice(2).filter((argument) => argument !== '--write');
const { status } = spawnSync(
  process.execPath,
  [`${root}node_modules/vitest/vitest.mjs`, 'run', '--config', 'vitest.clients.config.ts', ...others],
  { cwd: root, stdio: 'inherit', env: { ...process.env, ...(write ? { MODELKEEP_WRITE_CLIENTS: '1' } : {}) } },
);
process.exit(status ?? 1);
