import { once } from 'node:events';
import { chmod, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Binary, MongoClient } from 'mongodb';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openModelkeep, openStore, push, type Verified } from '../../src/app/index.js';
import { SegmentCache } from '../../src/cache/index.js';
import { distinctPlaces, type SegmentPlace, type VersionStore } from '../../src/core/index.js';
import { startMongo } from '../mongodb/start-mongo.js';
import { until } from '../unit/runners/processes.js';
import { cliHome, fixture, type CliHome, type JsonRan } from './cli-harness.js';

let home: CliHome;
beforeEach(() => {
  home = cliHome();
});
afterEach(() => home[Symbol.dispose]());

/** A store, and how one byte of a segment is flipped in it behind its back. */
interface Damageable extends AsyncDisposable {
  readonly url: string;
  flip(place: SegmentPlace): Promise<void>;
}

const STORES: Readonly<Record<string, () => Promise<Damageable>>> = {
  local: async () => ({
    url: home.storeUrl,
    async flip({ digest }) {
      const hex = digest.slice('sha256:'.length);
      const file = join(home.root, 'store', 'segments', hex.slice(0, 2), hex);
      // A new file in its place, as a disk that went bad has it: the caches hold links to the old one.
      await writeFile(`${file}.new`, flipped(await readFile(file)));
      await chmod(`${file}.new`, 0o444);
      await rename(`${file}.new`, file);
    },
    async [Symbol.asyncDispose]() {},
  }),
  mongodb: async () => {
    const server = await startMongo();
    const url = server.uri('damaged');
    return {
      url,
      async flip({ digest }) {
        await using client = await MongoClient.connect(url);
        const chunks = client.db().collection<{ files_id: string; n: number; data: Binary }>('fs.chunks');
        const chunk = await chunks.findOne({ files_id: digest, n: 0 });
        if (chunk === null) throw new Error(`There is no chunk of ${digest}`);
        await chunks.updateOne(
          { files_id: digest, n: 0 },
          { $set: { data: new Binary(flipped(Buffer.from(chunk.data.value()))) } },
        );
      },
      [Symbol.asyncDispose]: () => server.stop(),
    };
  },
};

function flipped(bytes: Buffer): Buffer {
  bytes.writeUInt8(bytes.readUInt8(11) ^ 1, 11);
  return bytes;
}

/** Publishes two versions, the first as production; the segment that only the second has. */
async function publishTwo(store: VersionStore): Promise<SegmentPlace> {
  const [first, second] = [
    await push(store, fixture('sentiment/v2'), { name: 'sentiment' }),
    await push(store, fixture('sentiment/v3-head'), { name: 'sentiment' }),
  ];
  await store.moveAlias({ model: 'sentiment', alias: 'production', to: 1 });
  const known = new Set(distinctPlaces(await store.readManifest(first.record)).map(({ digest }) => digest));
  const manifest = await store.readManifest(second.record);
  const own = distinctPlaces(manifest).find(({ path, digest }) => path === 'model.safetensors' && !known.has(digest));
  if (own === undefined) throw new Error('Both versions have the same weights');
  // A machine that held the second version while it was whole.
  await (
    await SegmentCache.open({ directory: join(home.root, 'warm'), maxBytes: 1e9 })
  ).pull(store, second.record, manifest);
  return own;
}

describe.each(Object.entries(STORES))('one flipped byte in a stored segment: %s', (_, open) => {
  it(
    'is named by verify, refused by a node that goes on with the old version, and mended',
    { timeout: 120_000 },
    async () => {
      await using damageable = await open();
      const environment = { MODELKEEP_STORE: damageable.url, MODELKEEP_CACHE_DIR: join(home.root, 'warm') };
      await using store = await openStore(damageable.url);
      const place = await publishTwo(store);
      await using keep = await openModelkeep({ store, cacheDir: join(home.root, 'cold'), runners: 1 });
      expect((await keep.load('sentiment@production')).version).toBe(1);
      await damageable.flip(place);

      const found = (await home.json(['verify', '--deep'], { environment })) as JsonRan<Verified>;
      expect(found).toMatchObject({
        code: 6,
        value: {
          problems: 1,
          findings: [
            { kind: 'damaged', segment: place.digest, places: [{ version: 'sentiment:2', path: 'model.safetensors' }] },
          ],
        },
      });

      const refused = once(keep.parts.follower, 'swap-failed');
      await store.moveAlias({ model: 'sentiment', alias: 'production', to: 2 });
      const [, error] = await refused;
      expect(error).toMatchObject({ code: 'DIGEST_MISMATCH' });
      const answer = await keep.predict('sentiment@production', 'I loved it');
      expect(answer.record.version).toBe(1);

      const mended = (await home.json(['verify', '--deep', '--repair'], { environment })) as JsonRan<Verified>;
      expect(mended).toMatchObject({
        code: 0,
        value: { problems: 0, findings: [{ kind: 'damaged', repaired: true }] },
      });
      await until('the mended version serves', async () => {
        return (await keep.predict('sentiment@production', 'I loved it')).record.version === 2;
      });
    },
  );
});
