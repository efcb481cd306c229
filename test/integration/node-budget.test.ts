import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openModelkeep, openStore, push, type Modelkeep, type VersionStore } from '../../src/app/index.js';

/** A version of 81 MB, 78 MB of which no two share: much more than what shared pages count for less as other processes come and go. */
const WIDTH = 38_000;
const VERSION_BYTES = 81_000_000;
const MODELS = ['a', 'b', 'c', 'd'];

function held(keep: Modelkeep): string[] {
  return keep
    .status()
    .holds.map(({ model }) => model)
    .toSorted();
}

describe('a node with a memory budget', () => {
  let folder = '';
  let store: VersionStore;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'modelkeep-budget-'));
    store = await openStore(join(folder, 'store'));
    const directories = MODELS.map((name) => join(folder, name));
    await promisify(execFile)(process.execPath, [
      'test/integration/children/write-larger-model.mjs',
      String(WIDTH),
      ...directories,
    ]);
    for (const name of MODELS) await push(store, join(folder, name), { name });
  });

  afterAll(async () => {
    await store.close();
    await rm(folder, { recursive: true, force: true });
  });

  async function withNode(room: number, work: (keep: Modelkeep, budget: number) => Promise<void>): Promise<void> {
    const options = { store, cacheDir: join(folder, 'cache'), runners: 1 };
    const probe = await openModelkeep(options);
    const empty = await probe.parts.residency.memory();
    await probe.close();
    const memoryBudget = Math.round(empty + room);
    await using keep = await openModelkeep({ ...options, memoryBudget });
    await work(keep, memoryBudget);
  }

  it('answers all of them in turn, lets the least recently used go, and stays within it', async () => {
    await withNode(2.4 * VERSION_BYTES, async (keep, budget) => {
      const evicted: string[] = [];
      keep.parts.residency.on('evicted', (record, why) => evicted.push(`${record.model} ${why}`));
      for (const round of [1, 2]) {
        for (const name of MODELS) {
          expect((await keep.predict(name, `round ${round}`)).record.model).toBe(name);
          expect(await keep.parts.residency.memory()).toBeLessThan(budget * 1.1);
        }
      }
      expect(evicted.length).toBeGreaterThan(0);
      expect(evicted[0]).toBe('a budget');
      expect(held(keep).length).toBeLessThan(MODELS.length);
      expect(held(keep)).toContain('d');
    });
  });

  it('keeps what is pinned, and says who holds the memory when nothing can go', async () => {
    await withNode(1.5 * VERSION_BYTES, async (keep) => {
      const unpin = await keep.pin('a');
      await keep.predict('a', 'pinned');
      await expect(keep.predict('b', 'no room')).rejects.toMatchObject({ code: 'OUT_OF_BUDGET' });
      expect(held(keep).filter((name) => name !== 'b')).toEqual(['a']);
      unpin();
      expect((await keep.predict('b', 'room')).record.model).toBe('b');
    });
  });

  it('refuses a version that is larger than the budget before a byte of it is fetched', async () => {
    await using keep = await openModelkeep({
      store,
      cacheDir: join(folder, 'other'),
      runners: 1,
      memoryBudget: 1_000_000,
    });
    let fetched = 0;
    keep.parts.residency.on('fetched', (_record, bytes) => (fetched += bytes));
    await expect(keep.load('a')).rejects.toMatchObject({ code: 'OUT_OF_BUDGET' });
    expect(fetched).toBe(0);
  });

  it('admits a version in 8 bits by what it takes, not by what was published', async () => {
    await withNode(0.75 * VERSION_BYTES, async (keep, memoryBudget) => {
      await expect(keep.load('a')).rejects.toMatchObject({ code: 'OUT_OF_BUDGET' });
      await keep.close();
      const cacheDir = join(folder, 'cache');
      await using quantized = await openModelkeep({ store, cacheDir, runners: 1, memoryBudget, precision: 'int8' });
      expect((await quantized.predict('a', 'in 8 bits')).form.precision).toBe('int8');
      const [{ mapped } = { mapped: [] }] = quantized.parts.residency.residents;
      const bytes = mapped.reduce((sum, { size }) => sum + size, 0);
      expect(bytes).toBeGreaterThan(VERSION_BYTES / 4);
      expect(bytes).toBeLessThan(VERSION_BYTES / 3);
    });
  });

  it('lets a version go that nobody asks any more, and loads it again when somebody does', async () => {
    await using keep = await openModelkeep({ store, cacheDir: join(folder, 'cache'), runners: 1, idleUnloadMs: 200 });
    await keep.predict('a', 'once');
    await expect.poll(() => held(keep), { timeout: 10_000 }).toEqual([]);
    expect(keep.status().follows.map(({ reference }) => reference)).toEqual(['a']);
    expect((await keep.predict('a', 'again')).record.version).toBe(1);
  });
});
