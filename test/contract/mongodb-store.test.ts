import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe } from 'vitest';
import { openMongoStore } from '../../src/stores/mongodb/open.js';
import { describeVersionStore } from '../../src/testing/index.js';
import { startMongo, type MongoOptions, type MongoServer } from '../mongodb/start-mongo.js';

const CONFIGURATIONS: Readonly<Record<string, MongoOptions>> = {
  'mongodb, replica set with change streams': {},
  'mongodb, standalone with polling': { standalone: true },
  'mongodb, with a user and password': { auth: true },
};

for (const [name, options] of Object.entries(CONFIGURATIONS)) {
  describe(`on a server: ${name}`, () => {
    let server: MongoServer | undefined;
    beforeAll(async () => {
      server = await startMongo(options);
    }, 120_000);
    afterAll(() => server?.stop());
    describeVersionStore(
      name,
      async () => {
        const url = server!.uri(`contract_${randomBytes(4).toString('hex')}`);
        const open = () => openMongoStore({ url, pollIntervalMs: 100 });
        return { store: await open(), reopen: open };
      },
      { timeLimitMs: 60_000 },
    );
  });
}
