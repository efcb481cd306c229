import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, it } from 'vitest';
import { startMongo } from '../mongodb/start-mongo.js';
import { runSchedule } from '../soak/run-schedule.js';

/** Set by `npm run test:soak -- --store … --standalone --seconds … --seed …`. */
const {
  MODELKEEP_SOAK_STORE: only,
  MODELKEEP_SOAK_STANDALONE: standalone,
  MODELKEEP_SOAK_SECONDS: seconds = '20',
  MODELKEEP_SOAK_SEED: seed = String(Date.now() % 1_000_000),
} = process.env;

const STORES = ['local', 'mongodb'].filter((store) => only === undefined || only === store);

it.each(STORES)(
  `holds what it promises through ${seconds} s of random schedules, seed ${seed}: %s`,
  { timeout: 1_000 * Number(seconds) + 120_000 },
  async (store) => {
    const directory = await mkdtemp(join(tmpdir(), 'modelkeep-soak-'));
    const server =
      store === 'mongodb' ? await startMongo(standalone === 'true' ? { standalone: true } : {}) : undefined;
    try {
      const url = server?.uri(`soak_${randomBytes(4).toString('hex')}`) ?? pathToFileURL(directory).href;
      const outcome = await runSchedule({ url, seconds: Number(seconds), seed: Number(seed) });
      console.log(`${store} ${JSON.stringify(outcome)}`);
      expect(outcome.kills).toBeGreaterThan(0);
      expect(outcome.acknowledged.publish).toBeGreaterThan(0);
    } finally {
      await server?.stop();
      await rm(directory, { recursive: true, force: true });
    }
  },
);
