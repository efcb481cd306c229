import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openModelkeep, openStore, push, type Modelkeep, type VersionStore } from '../../src/app/index.js';
import type { Runner } from '../../src/runners/index.js';

const V1 = 'test/fixtures/sentiment/v1';
const V2 = 'test/fixtures/sentiment/v2';

let folder = '';
let store: VersionStore;
let models = 0;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'modelkeep-policies-'));
  store = await openStore(join(folder, 'store'));
});

afterAll(async () => {
  await store.close();
  await rm(folder, { recursive: true, force: true });
});

async function publish(directory: string, name: string): Promise<void> {
  await push(store, directory, { name });
}

/** Every request of the doomed version ends the process that runs it, as a defect of the runtime would. */
function doom(keep: Modelkeep, isDoomed: (key: string) => boolean): void {
  const { pool } = keep.parts;
  const sabotage = (runner: Runner): void => {
    const call = runner.call.bind(runner);
    runner.call = (op, message, tensors) => {
      // Before it is asked: a request that has reached the process may be answered before the signal does.
      if (op === 'predict' && 'key' in message && isDoomed(message.key)) runner.kill();
      return call(op, message, tensors);
    };
  };
  for (const runner of pool.runners) sabotage(runner);
  pool.events.on('joined', sabotage);
}

describe('a version that ends its runner whenever it is asked', () => {
  it('is put in quarantine, and the version before it answers again', async () => {
    const name = `doomed-${(models += 1)}`;
    await publish(V1, name);
    await using keep = await openModelkeep({ store, cacheDir: join(folder, 'cache'), runners: 2 });
    expect((await keep.predict(name, 'fine')).record.version).toBe(1);
    await publish(V2, name);
    await expect.poll(() => keep.parts.follower.current(name)?.record.version, { timeout: 10_000 }).toBe(2);
    const doomed = keep.parts.follower.current(name)!.record.id;
    doom(keep, (key) => key === doomed);
    const told: string[] = [];
    keep.parts.residency.on('quarantined', (record) => told.push(`quarantined ${record.version}`));
    keep.parts.follower.on('fell-back', (_text, from, to) => told.push(`${from.version} to ${to.version}`));

    for (let request = 1; request <= 3; request++) {
      await expect(keep.predict(name, `request ${request}`)).rejects.toMatchObject({ code: 'RUNNER_CRASHED' });
    }
    expect(told.toSorted()).toEqual(['2 to 1', 'quarantined 2']);
    expect((await keep.predict(name, 'fine again')).record.version).toBe(1);
    // Asked by its own name it is refused at once, without ending another runner.
    const { restarts } = keep.parts.pool;
    await expect(keep.load(`${name}:2`)).rejects.toMatchObject({ code: 'RUNNER_CRASHED' });
    expect(keep.parts.pool.restarts).toBe(restarts);
  });
});

describe('a swap in low-memory mode', () => {
  it('lets the old version go first, and no request fails or goes back', async () => {
    const name = `low-${(models += 1)}`;
    await publish(V1, name);
    const options = { store, cacheDir: join(folder, 'cache'), runners: 1, swapMode: 'low-memory' } as const;
    await using keep = await openModelkeep(options);
    await keep.load(name);
    let most = 0;
    keep.parts.residency.on('transition', () => {
      const loaded = keep.parts.residency.residents.filter(({ runners }) => runners.size > 0).length;
      most = Math.max(most, loaded);
    });
    const stop = new AbortController();
    const seen: number[][] = [];
    const clients = Array.from({ length: 4 }, async () => {
      const mine: number[] = [];
      seen.push(mine);
      while (!stop.signal.aborted) mine.push((await keep.predict(name, 'while it is swapped')).record.version);
    });
    await publish(V2, name);
    await expect.poll(() => seen.every((mine) => mine.at(-1) === 2), { timeout: 20_000 }).toBe(true);
    stop.abort();
    await Promise.all(clients);
    for (const mine of seen) expect(mine).toEqual(mine.toSorted((a, b) => a - b));
    expect(most).toBe(1);
  });

  it('goes back to the old version if the new one cannot be loaded', async () => {
    const name = `low-${(models += 1)}`;
    await publish(V1, name);
    const refusing: VersionStore = Object.create(store, {
      readManifest: {
        value: (record: { version: number }, ...rest: unknown[]) =>
          record.version === 1
            ? store.readManifest(record as never, ...(rest as []))
            : Promise.reject(new Error('The manifest cannot be read')),
      },
    }) as VersionStore;
    const options = { store: refusing, cacheDir: join(folder, 'cache'), runners: 1, swapMode: 'low-memory' } as const;
    await using keep = await openModelkeep(options);
    await keep.load(name);
    const failed = new Promise((resolve) => keep.parts.follower.once('swap-failed', resolve));
    await publish(V2, name);
    await failed;
    expect((await keep.predict(name, 'still there')).record.version).toBe(1);
  });
});
