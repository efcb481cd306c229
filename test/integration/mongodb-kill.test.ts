import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes, randomInt } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { MongoClient } from 'mongodb';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  distinctPlaces,
  encodeManifest,
  manifestDigest,
  type Manifest,
  type VersionStore,
} from '../../src/core/index.js';
import { openMongoStore } from '../../src/stores/mongodb/open.js';
import { contentsOf, digestsOf, readBack, type MadeContents } from '../../src/testing/index.js';
import { startMongo, type MongoOptions, type MongoServer } from '../mongodb/start-mongo.js';

const PUBLISHER = resolve('test/integration/children/mongodb-publisher.mjs');
/** Kills in each of the two configurations. */
const ROUNDS = 26;
const SEGMENT_BYTES = 600_000;
/** Pieces in which the child reads its files: those of two segments and of one short one. */
const PIECES = 2 * Math.ceil(SEGMENT_BYTES / 65_536) + Math.ceil(300_000 / 65_536);

const CONFIGURATIONS: Readonly<Record<string, MongoOptions>> = {
  'replica set': {},
  standalone: { standalone: true },
};

interface Round {
  readonly made: MadeContents;
  readonly child: ChildProcess;
  readonly exited: Promise<unknown>;
  /** What the child says, line by line. */
  readonly lines: AsyncIterator<string>;
}

/** Writes contents that no other round has, and starts a publisher of them that waits for the word. */
async function prepare(root: string, round: number, url: string): Promise<Round> {
  const made = contentsOf(
    { 'config.json': randomBytes(200), 'a.bin': randomBytes(2 * SEGMENT_BYTES), 'b.bin': randomBytes(300_000) },
    { segmentBytes: SEGMENT_BYTES },
  );
  const folder = join(root, String(round));
  await mkdir(folder);
  for (const [path, bytes] of Object.entries(made.files)) await writeFile(join(folder, path), bytes);
  await writeFile(join(folder, 'manifest.json'), encodeManifest(made.manifest));
  const child = spawn(process.execPath, [PUBLISHER, url, 'killed', folder], { stdio: ['pipe', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  expect(await lines.next()).toMatchObject({ value: 'ready' });
  return { made, child, exited, lines };
}

/** Lets the child publish and kills it after some pieces, or some milliseconds after the last one, while it commits. */
async function killDuring({ child, exited, lines }: Round): Promise<void> {
  const at = randomInt(PIECES + 12);
  child.stdin?.write('go\n');
  for (let piece = 0; piece < Math.min(at, PIECES); piece += 1) if ((await lines.next()).done === true) break;
  if (at <= PIECES) child.kill('SIGKILL');
  else setTimeout(() => child.kill('SIGKILL'), 3 * (at - PIECES));
  await exited;
}

describe.each(Object.entries(CONFIGURATIONS))('publishers killed at any moment, %s', (_, options) => {
  let server: MongoServer;
  let client: MongoClient;
  let store: VersionStore;
  let root: string;

  beforeAll(async () => {
    server = await startMongo(options);
    root = await mkdtemp(join(tmpdir(), 'modelkeep-kill-'));
    client = await MongoClient.connect(server.uri('killed'));
    store = await openMongoStore({ url: server.uri('killed') });
  }, 120_000);
  afterAll(async () => {
    await store.close();
    await client.close();
    await server.stop();
    await rm(root, { recursive: true, force: true });
  });

  /** Bytes of the manifest's contents that are in the database now. */
  async function storedBytes(manifest: Manifest): Promise<number> {
    const ids: unknown[] = distinctPlaces(manifest).map(({ digest }) => digest);
    const [sum] = await client
      .db()
      .collection('fs.chunks')
      .aggregate<{ bytes: number }>([
        { $match: { files_id: { $in: ids } } },
        { $group: { _id: null, bytes: { $sum: { $binarySize: '$data' } } } },
      ])
      .toArray();
    return sum?.bytes ?? 0;
  }

  it(`shows only whole versions after each of ${ROUNDS} kills, and the next publish goes on with what is there`, async () => {
    const published: MadeContents[] = [];
    let interrupted = 0;
    let resumed = 0;
    let next = prepare(root, 0, server.uri('killed'));
    for (let round = 1; round <= ROUNDS; round += 1) {
      const now = await next;
      next = round < ROUNDS ? prepare(root, round, server.uri('killed')) : next;
      await killDuring(now);
      const { manifest, source } = now.made;
      const digest = manifestDigest(manifest);
      const listed = await store.listVersions({ model: 'killed' });
      const committed = listed.some((record) => record.digest === digest);
      expect(listed.length).toBe(published.length + (committed ? 1 : 0));
      const stored = await storedBytes(manifest);
      const result = await store.publish({ model: 'killed', manifest }, source);
      expect(result).toMatchObject({ created: !committed, record: { version: round, digest } });
      expect(result.sentBytes).toBeLessThanOrEqual(1_500_200 - stored);
      expect(result.reusedBytes).toBeGreaterThanOrEqual(stored);
      if (!committed) interrupted += 1;
      if (stored > 0 && !committed) resumed += 1;
      published.push(now.made);
    }
    // Kills were spread widely enough to mean something.
    expect(interrupted).toBeGreaterThan(ROUNDS / 2);
    expect(resumed).toBeGreaterThan(0);
    const records = await store.listVersions({ model: 'killed' });
    expect(records.map(({ version }) => version)).toEqual(published.map((__, at) => at + 1));
    for (const [at, made] of published.entries()) {
      const record = records[at];
      if (record === undefined) throw new Error(`version ${at + 1} is not listed`);
      expect(await readBack(store, record)).toEqual(digestsOf(made.files));
    }
  }, 180_000);
});
