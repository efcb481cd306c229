import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openLocalStore } from '../../src/stores/local/open.js';
import { describeVersionStore } from '../../src/testing/index.js';

describeVersionStore('local', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'modelkeep-local-'));
  return {
    store: await openLocalStore({ directory }),
    reopen: () => openLocalStore({ directory }),
    cleanup: () => rm(directory, { recursive: true, force: true }),
  };
});
