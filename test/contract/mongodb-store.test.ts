import { randomBytes } from 'node:crypto';
import { Binary, MongoClient, ObjectId } from 'mongodb';
import { afterAll, beforeAll, describe } from 'vitest';
import { openMongoStore } from '../../src/stores/mongodb/open.js';
import type { SegmentPlace, VersionRecord } from '../../src/core/index.js';
import { describeVersionStore, type StoreUnderTest } from '../../src/testing/index.js';
import { startMongo, type MongoOptions, type MongoServer } from '../mongodb/start-mongo.js';

const CONFIGURATIONS: Readonly<Record<string, MongoOptions>> = {
  'mongodb, replica set with change streams': {},
  'mongodb, standalone with polling': { standalone: true },
  'mongodb, with a user and password': { auth: true },
};

interface Chunk {
  readonly _id: ObjectId;
  readonly files_id: string | ObjectId;
  readonly data: Binary;
}

/** Damages the first chunk of a segment, behind the store's back. */
async function damage(url: string, record: VersionRecord, place: SegmentPlace, how: Damage): Promise<void> {
  const client = new MongoClient(url);
  try {
    const chunks = client.db().collection<Chunk>('fs.chunks');
    const chunk = await chunks.findOne({ files_id: { $in: [place.digest, new ObjectId(record.id)] }, n: 0 });
    if (chunk === null) throw new Error(`There is no chunk of ${place.digest}`);
    const bytes = Buffer.from(chunk.data.value());
    bytes[0] = bytes[0]! ^ 1;
    if (how === 'removed') await chunks.deleteOne({ _id: chunk._id });
    else {
      const data = new Binary(how === 'altered' ? bytes : bytes.subarray(0, bytes.byteLength - 1));
      await chunks.updateOne({ _id: chunk._id }, { $set: { data } });
    }
  } finally {
    await client.close();
  }
}

type Damage = Parameters<NonNullable<StoreUnderTest['damage']>>[2];

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
        return { store: await open(), reopen: open, damage: (record, place, how) => damage(url, record, place, how) };
      },
      { timeLimitMs: 60_000 },
    );
  });
}
