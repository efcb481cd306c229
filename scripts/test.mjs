/** `npm test`: sets up, provides a MongoDB-compatible server, and runs every test. Arguments go to vitest. */
import { spawnSync } from 'node:child_process';
import { findMongoServer, findPython } from './mongodb-server.mjs';
import { root, setUp } from './set-up.mjs';
import { findClientsPython } from './clients-environment.mjs';
import { findTokenizersPython } from './tokenizers-environment.mjs';
import { findSklearnPython } from './sklearn-environment.mjs';

setUp();
// Made here, once, and not within the time limit of whichever test comes first.
await findMongoServer();
await findPython();
await findSklearnPython();
await findClientsPython();
await findTokenizersPython();
const args = [`${root}node_modules/vitest/vitest.mjs`, 'run', ...process.argv.slice(2)];
const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' });
process.exit(status ?? 1);
