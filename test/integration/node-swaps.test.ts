import { once } from 'node:events';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { push, type Modelkeep } from '../../src/app/index.js';
import type { VersionRecord } from '../../src/core/index.js';
import { until } from '../unit/runners/processes.js';
import { Bench, fixture, statsOf, wrapStore } from './node-bench.js';

let bench: Bench;
beforeEach(async () => {
  bench = await Bench.open();
});
afterEach(() => bench.close());

const TEXT = 'Absolutely wonderful, I loved every minute of it!';
const heldBy = (keep: Modelkeep): number[] => keep.status().holds.map(({ version }) => version);

describe('swaps of one reference that overtake each other', () => {
  it('end at the version of the one that asked last, and never go back', async () => {
    await push(bench.store, fixture('v1'), { name: 'sentiment' });
    let asked = 0;
    let open: (() => void) | undefined;
    const gate = new Promise<void>((resolve) => (open = resolve));
    const store = wrapStore(bench.store, {
      resolve: async (...args): Promise<VersionRecord> => {
        asked += 1;
        const number = asked;
        const record = await bench.store.resolve(...args);
        // The answer to the third question, which is version 2, comes late.
        if (number === 3) await gate;
        return record;
      },
    });
    const keep = await bench.node({ store });
    await keep.load('sentiment');
    // The first look of the watch at a model asks once more.
    await until('the watch knows the model', () => asked === 2);
    const swaps: [number, number][] = [];
    keep.parts.follower.on('swapped', (_, from, to) => swaps.push([from.version, to.version]));
    await push(bench.store, fixture('v2'), { name: 'sentiment' });
    await until('the watch asks about version 2', () => asked === 3);
    await push(bench.store, fixture('v3-head'), { name: 'sentiment' });
    expect((await keep.load('sentiment', { freshness: 'checked' })).version).toBe(3);
    open?.();
    await until('the watch has asked again', () => asked >= 5);
    await until('only the newest version is left', () => heldBy(keep).length === 1);
    expect(swaps).toEqual([[1, 3]]);
    expect(heldBy(keep)).toEqual([3]);
    expect((await keep.predict('sentiment', TEXT)).record.version).toBe(3);
  });
});

describe('an alias', () => {
  it('takes its requests along when it moves, forwards and back', async () => {
    await push(bench.store, fixture('v1'), { name: 'sentiment' });
    await push(bench.store, fixture('v2'), { name: 'sentiment' });
    await bench.store.moveAlias({ model: 'sentiment', alias: 'production', to: 1 });
    const keep = await bench.node();
    const pinned = await keep.load('sentiment@production');
    expect(pinned.version).toBe(1);
    for (const to of [2, 1]) {
      await bench.store.moveAlias({ model: 'sentiment', alias: 'production', to });
      await until(`version ${to} answers`, async () => (await keep.load('sentiment@production')).version === to);
      await until('the other one is gone', () => heldBy(keep).length === 1);
      expect((await keep.predict('sentiment@production', TEXT)).record.version).toBe(to);
    }
  });

  it('leaves a version that another reference still means', async () => {
    await push(bench.store, fixture('v1'), { name: 'sentiment' });
    await bench.store.moveAlias({ model: 'sentiment', alias: 'production', to: 1 });
    const keep = await bench.node();
    const production = await keep.load('sentiment@production');
    await keep.load('sentiment');
    await push(bench.store, fixture('v2'), { name: 'sentiment' });
    await until('version 2 is the latest', async () => (await keep.load('sentiment')).version === 2);
    expect(heldBy(keep)).toEqual([1, 2]);
    expect(await keep.load('sentiment@production')).toBe(production);
    expect((await statsOf(keep)).map(({ sessionsCreated }) => sessionsCreated)).toEqual([2, 2]);
  });
});

describe('a version that is let go', () => {
  it('is unloaded also from a runner that was just taking it over', async () => {
    await push(bench.store, fixture('v2'), { name: 'sentiment' });
    const keep = await bench.node();
    const { record } = await keep.load('sentiment');
    const { pool, residency } = keep.parts;
    const started = once(pool.events, 'joined');
    process.kill(pool.runners[0]?.pid ?? Number.NaN, 'SIGKILL');
    await started;
    await residency.release(record.id);
    expect(heldBy(keep)).toEqual([]);
    expect((await statsOf(keep)).map(({ loaded }) => loaded)).toEqual([[], []]);
  });

  it('waits for the request that runs on it', async () => {
    await push(bench.store, fixture('v2'), { name: 'sentiment' });
    const keep = await bench.node();
    const { record } = await keep.load('sentiment');
    const answers = Array.from({ length: 20 }, () => keep.predict('sentiment', TEXT));
    // Leases are taken in promise jobs, and those are done before a macrotask.
    await new Promise((resolve) => setImmediate(resolve));
    expect(keep.status().holds[0]?.leases).toBeGreaterThan(0);
    await keep.parts.residency.release(record.id);
    expect((await Promise.all(answers)).every(({ record: { version } }) => version === 1)).toBe(true);
    expect(heldBy(keep)).toEqual([]);
  });

  it('is loaded again by the next request', async () => {
    await push(bench.store, fixture('v2'), { name: 'sentiment' });
    const keep = await bench.node();
    const model = await keep.load('sentiment');
    await keep.parts.residency.release(model.record.id);
    expect(await model.predict(TEXT)).toHaveLength(1);
    expect((await keep.predict('sentiment', TEXT)).record.version).toBe(1);
    expect((await statsOf(keep)).map(({ sessionsCreated }) => sessionsCreated)).toEqual([2, 2]);
  });
});

describe('a cache that was emptied while its versions are resident', () => {
  it('is filled again for the runners that take the place of others', async () => {
    await push(bench.store, fixture('v2'), { name: 'sentiment' });
    const keep = await bench.node();
    await keep.load('sentiment');
    const segments = join(bench.folder, 'cache', 'segments');
    for (const name of await readdir(segments)) await rm(join(segments, name));
    for (const { pid } of keep.status().runners) process.kill(pid, 'SIGKILL');
    await until('both have ended', () => keep.status().runnerRestarts === 2);
    expect((await keep.predict('sentiment', TEXT, { timeoutMs: 10_000 })).record.version).toBe(1);
    await until('both runners hold it again', () => keep.status().holds[0]?.runners === 2);
  });
});
