import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openModelkeep, push, type Modelkeep } from '../../src/app/index.js';
import { distinctPlaces, type VersionStore } from '../../src/core/index.js';
import { openMongoStore } from '../../src/stores/mongodb/open.js';
import { startMongo, type MongoOptions, type MongoServer } from '../mongodb/start-mongo.js';

const SENTIMENT = resolve('test/fixtures/sentiment');
const RUNNERS = 2;

/** What a command asks for, as far as these tests look. */
interface Sent {
  readonly name: string;
  readonly collection: unknown;
  readonly command: Readonly<Record<string, unknown>>;
}

const CONFIGURATIONS: Readonly<Record<string, MongoOptions>> = {
  'replica set': {},
  standalone: { standalone: true },
};

/** Commands that a watch and the driver send on their own, whoever asks for nothing. */
const BACKGROUND = new Set(['getMore', 'aggregate', 'hello', 'endSessions']);

describe.each(Object.entries(CONFIGURATIONS))('the queries of a node, %s', (_, options) => {
  let server: MongoServer;
  let publisher: VersionStore;
  let store: VersionStore;
  let keep: Modelkeep;
  let folder: string;
  let sent: Sent[] = [];

  beforeAll(async () => {
    server = await startMongo(options);
    folder = await mkdtemp(join(tmpdir(), 'modelkeep-queries-'));
    const url = server.uri('queries');
    publisher = await openMongoStore({ url });
    // A poll is the watch's own; a long pause keeps it out of what is counted.
    store = await openMongoStore({
      url,
      pollIntervalMs: 600_000,
      onCommand: (command, name) => {
        if (!BACKGROUND.has(name)) sent.push({ name, collection: command[name], command });
      },
    });
    keep = await openModelkeep({ store, cacheDir: join(folder, 'cache'), runners: RUNNERS, threads: 1 });
  }, 120_000);
  afterAll(async () => {
    await keep.close();
    await Promise.all([store.close(), publisher.close()]);
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  });
  beforeEach(() => {
    sent = [];
  });

  it('reads each segment once and makes one session in each runner for 500 loads at once of a cold version', async () => {
    const { record } = await push(publisher, join(SENTIMENT, 'v2'), { name: 'sentiment' });
    await publisher.moveAlias({ model: 'sentiment', alias: 'production', to: record.version });
    const models = await Promise.all(Array.from({ length: 500 }, () => keep.load('sentiment')));
    expect(new Set(models).size).toBe(1);
    const reads = sent.filter(({ name, collection }) => name === 'find' && collection === 'fs.chunks');
    const asked = reads.map(({ command }) => String((command['filter'] as { files_id: unknown }).files_id));
    const manifest = await publisher.readManifest(record);
    const wanted = [record.id, ...distinctPlaces(manifest).map(({ digest }) => digest)];
    expect(asked.toSorted()).toEqual(wanted.toSorted());
    const { runners } = keep.parts.pool;
    expect(runners).toHaveLength(RUNNERS);
    for (const runner of runners) {
      const { result } = await runner.call('stats', { op: 'stats' });
      expect(result.sessionsCreated).toBe(1);
    }
  });

  it('sends nothing for a warm load', async () => {
    const model = await keep.load('sentiment');
    sent = [];
    for (let at = 0; at < 100; at += 1) expect(await keep.load('sentiment')).toBe(model);
    await model.predict('Happy coding !!!');
    expect(sent).toEqual([]);
  });

  it.each([
    ['sentiment', 'ModelStatus'],
    ['sentiment@production', 'ModelAliases'],
  ])('asks one question that brings back a version number for a checked warm load of %s', async (reference, asked) => {
    await keep.load(reference);
    sent = [];
    await keep.load(reference, { freshness: 'checked' });
    expect(sent.map(({ name, collection }) => [name, collection])).toEqual([['find', asked]]);
    expect(sent[0]?.command['projection']).toEqual({ _id: 0, version: 1 });
  });
});
