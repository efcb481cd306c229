import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { openModelkeep, openStore, push, type Modelkeep } from '../../src/app/index.js';
import { startMongo, type MongoOptions, type MongoServer } from '../mongodb/start-mongo.js';

const SENTIMENT = resolve('test/fixtures/sentiment');
/** How long a node may take to serve what was published right after the server came back. */
const PICK_UP_MS = 5_000;

const CONFIGURATIONS: Readonly<Record<string, MongoOptions>> = {
  'replica set': {},
  standalone: { standalone: true },
};

/** Clients that ask one after the other, each of them all the time, until they are stopped. */
function startAsking(keep: Modelkeep, clients: number) {
  const answered: number[][] = Array.from({ length: clients }, () => []);
  const stop = new AbortController();
  const ask = async (versions: number[]): Promise<void> => {
    while (!stop.signal.aborted) versions.push((await keep.predict('sentiment', 'Happy coding !!!')).record.version);
  };
  const asking = Promise.all(answered.map(ask));
  // A failure shows at `stop`; until then it must not end the process.
  asking.catch(() => undefined);
  return {
    /** The versions that answered each client, in order. @throws the first failure */
    async stop(): Promise<readonly (readonly number[])[]> {
      stop.abort();
      await asking;
      return answered;
    },
    /** Answers so far. */
    count: (): number => answered.reduce((sum, versions) => sum + versions.length, 0),
  };
}

describe.each(Object.entries(CONFIGURATIONS))('a node whose server goes away, %s', (_, options) => {
  let server: MongoServer;
  let keep: Modelkeep;
  let root: string;

  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'modelkeep-outage-'));
    server = await startMongo({ ...options, storagePath: join(root, 'data') });
    await publish('v1');
    const store = server.uri('outage');
    keep = await openModelkeep({ store, cacheDir: join(root, 'cache'), runners: 1, threads: 1 });
    await keep.load('sentiment');
  }, 120_000);
  afterAll(async () => {
    await keep.close();
    await server.stop();
    await rm(root, { recursive: true, force: true });
  });

  async function publish(folder: string): Promise<void> {
    await using store = await openStore(server.uri('outage'));
    await push(store, join(SENTIMENT, folder), { name: 'sentiment' });
  }

  const reachable = (): boolean => keep.status().store.reachable;
  const following = (): number | undefined => keep.status().follows[0]?.version;

  it('answers all the time, says that the store is away, and serves what is published when it is back', async () => {
    expect(keep.status().store.reachable).toBe(true);
    const clients = startAsking(keep, 8);
    await server.stop();
    await vi.waitUntil(() => !reachable(), { timeout: 10_000 });
    expect(keep.status().store.error).toEqual(expect.any(String));
    const before = clients.count();
    await vi.waitUntil(() => clients.count() > before + 100, { timeout: 10_000 });
    const asked = [keep.load('sentiment', { freshness: 'checked' }), keep.load('sentiment:7')];
    for (const outcome of await Promise.allSettled(asked)) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'STORE_UNAVAILABLE' } });
    }
    expect((await keep.load('sentiment')).version).toBe(1);

    await server.restart();
    await publish('v2');
    const published = performance.now();
    await vi.waitUntil(() => following() === 2, { timeout: 2 * PICK_UP_MS });
    expect(performance.now() - published).toBeLessThan(PICK_UP_MS);
    await vi.waitUntil(reachable, { timeout: 5_000 });

    const after = clients.count();
    await vi.waitUntil(() => clients.count() > after + 100, { timeout: 10_000 });
    for (const versions of await clients.stop()) {
      expect(new Set(versions)).toEqual(new Set([1, 2]));
      expect(versions).toEqual(versions.toSorted((a, b) => a - b));
    }
  }, 90_000);

  it('tells a watch of nothing while the server is away, and to look at everything when it is back', async () => {
    const url = `${server.uri('outage')}&serverSelectionTimeoutMS=250`;
    await using store = await openStore(url);
    const onChange = vi.fn<(model: string) => void>();
    await using watch = await store.watch({ models: () => ['sentiment', 'other'], onChange });
    if (store.capabilities.changes === 'poll') await vi.waitUntil(() => onChange.mock.calls.length === 2);
    await server.kill();
    onChange.mockClear();
    for (let at = 0; at < 12; at += 1) await expect(store.ping()).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    expect(onChange).not.toHaveBeenCalled();
    await server.restart();
    await publish('v3-head');
    await vi.waitUntil(() => onChange.mock.calls.some(([model]) => model === 'sentiment'), { timeout: PICK_UP_MS });
    await watch.close();
    await vi.waitUntil(() => following() === 3, { timeout: 2 * PICK_UP_MS });
  }, 60_000);

  it('comes through a server that is killed and comes back with nothing new', async () => {
    const clients = startAsking(keep, 2);
    const [gone] = await Promise.all([once(keep.parts.follower, 'reachable'), server.kill()]);
    expect(gone).toMatchObject([{ reachable: false }]);
    const [, [back]] = await Promise.all([server.restart(), once(keep.parts.follower, 'reachable')]);
    expect(back).toMatchObject({ reachable: true });
    expect((await keep.load('sentiment', { freshness: 'checked' })).version).toBe(following());
    await clients.stop();
  }, 60_000);
});
