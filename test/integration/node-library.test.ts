import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { push, type Modelkeep } from '../../src/app/index.js';
import { distinctPlaces, ModelkeepError } from '../../src/core/index.js';
import { children, until } from '../unit/runners/processes.js';
import { Bench, fixture, goldensOf, recordCalls, statsOf, wrapStore, type GoldenLine } from './node-bench.js';

let bench: Bench;
beforeEach(async () => {
  bench = await Bench.open();
});
afterEach(() => bench.close());

const TEXT = 'Absolutely wonderful, I loved every minute of it!';

interface Answer {
  readonly label: string;
  readonly score: number;
}

function expectGolden(answers: unknown, goldens: readonly GoldenLine[]): void {
  const given = answers as readonly Answer[];
  expect(given.map(({ label }) => label)).toEqual(goldens.map(({ label }) => label));
  given.forEach(({ score }, i) => expect(Math.abs(score - (goldens[i]?.score ?? 0))).toBeLessThan(1e-4));
}

/** The versions that a node holds in some state. */
const heldBy = (keep: Modelkeep): number[] => keep.status().holds.map(({ version }) => version);

describe('the library', () => {
  it('answers as transformers does, one by one and all at once', async () => {
    const keep = await bench.node();
    await keep.push(fixture('v1'), { name: 'sentiment' });
    await keep.push(fixture('v2'), { name: 'sentiment' });
    const goldens = await goldensOf('v2');
    const model = await keep.load('sentiment');
    expect(model.version).toBe(2);
    expectGolden(await model.predict(goldens.map(({ text }) => text)), goldens);
    const alone = await Promise.all(goldens.map(({ text }) => model.predict(text)));
    expectGolden(alone.flat(), goldens);
    expect(goldens.length).toBeGreaterThan(20);
  });

  it('loads a cold version once for 500 callers, and fetches each segment once', async () => {
    await push(bench.store, fixture('v2'), { name: 'sentiment' });
    const recorded = recordCalls(wrapStore(bench.store, { segmentFile: undefined }));
    const keep = await bench.node({ store: recorded.store });
    const models = await Promise.all(Array.from({ length: 500 }, () => keep.load('sentiment')));
    expect(new Set(models).size).toBe(1);
    expect((await statsOf(keep)).map(({ sessionsCreated }) => sessionsCreated)).toEqual([1, 1]);
    const record = await bench.store.resolve({ model: 'sentiment', selector: { kind: 'latest' } });
    const places = distinctPlaces(await bench.store.readManifest(record));
    expect(recorded.segments.toSorted()).toEqual(places.map(({ digest }) => digest).toSorted());
    expect(recorded.calls.filter((name) => name === 'readManifest')).toHaveLength(1);
  });

  it('asks the store nothing for a warm load, and only isCurrent for a checked one', async () => {
    await push(bench.store, fixture('v1'), { name: 'sentiment' });
    const { store, calls } = recordCalls(bench.store);
    const keep = await bench.node({ store });
    const model = await keep.load('sentiment');
    // The watch's first look at a model tells of it once, since it cannot know what was before.
    await until('the watch knows the model', () => calls.filter((name) => name === 'resolve').length === 2);
    calls.splice(0);
    for (let i = 0; i < 100; i++) expect(await keep.load('sentiment')).toBe(model);
    await model.predict(TEXT);
    expect(calls).toEqual([]);
    expect(await keep.load('sentiment', { freshness: 'checked' })).toBe(model);
    expect(calls).toEqual(['isCurrent']);
    await push(bench.store, fixture('v2'), { name: 'sentiment' });
    expect((await keep.load('sentiment', { freshness: 'checked' })).version).toBe(2);
  });

  it('gives the same object for every reference of a version', async () => {
    await push(bench.store, fixture('v1'), { name: 'sentiment' });
    await bench.store.moveAlias({ model: 'sentiment', alias: 'production', to: 1 });
    const keep = await bench.node();
    const models = await Promise.all(['sentiment', 'sentiment:1', 'sentiment@production'].map((one) => keep.load(one)));
    expect(new Set(models).size).toBe(1);
    expect((await statsOf(keep)).map(({ sessionsCreated }) => sessionsCreated)).toEqual([1, 1]);
  });
});

/** Asks in eight loops until told to stop; the versions that answered, by loop, in order. */
function askInLoops(keep: Modelkeep): { readonly versions: number[][]; stop(): Promise<void> } {
  const versions: number[][] = Array.from({ length: 8 }, () => []);
  const stopping = new AbortController();
  const loops = versions.map(async (seen) => {
    while (!stopping.signal.aborted) seen.push((await keep.predict('sentiment', TEXT)).record.version);
  });
  const all = Promise.all(loops);
  // A failure is thrown by stop, whenever it came.
  all.catch(() => undefined);
  const stop = async (): Promise<void> => {
    stopping.abort();
    await all;
  };
  return { versions, stop };
}

describe('a swap under load', () => {
  it('fails no request, never goes back, and lets the old version go', async () => {
    await push(bench.store, fixture('v2'), { name: 'sentiment' });
    const keep = await bench.node();
    const [old] = [(await keep.load('sentiment')).record];
    const asking = askInLoops(keep);
    await until('every loop was answered', () => asking.versions.every((seen) => seen.length > 3));
    await push(bench.store, fixture('v3-head'), { name: 'sentiment' });
    await until('every loop is answered by the new version', () => asking.versions.every((seen) => seen.at(-1) === 2));
    await until('the old version is gone', () => !heldBy(keep).includes(1));
    await asking.stop();
    for (const seen of asking.versions) expect(seen).toEqual(seen.toSorted((a, b) => a - b));
    expect(keep.status()).toMatchObject({ follows: [{ reference: 'sentiment', version: 2 }], runnerRestarts: 0 });
    for (const { loaded } of await statsOf(keep)) expect(loaded).not.toContain(old.id);
    const goldens = (await goldensOf('v3-head')).filter(({ text }) => text === TEXT);
    expect(goldens).toHaveLength(1);
    expectGolden(await (await keep.load('sentiment')).predict(TEXT), goldens);
  });

  it('keeps the old version where the new one fails, and takes the new one once it can be had', async () => {
    await push(bench.store, fixture('v2'), { name: 'sentiment' });
    let damaged = true;
    const store = wrapStore(bench.store, {
      segmentFile: undefined,
      readSegment: (record, place, options) => {
        if (damaged && record.version === 2) throw new ModelkeepError('DIGEST_MISMATCH', 'It is damaged');
        return bench.store.readSegment(record, place, options);
      },
    });
    const keep = await bench.node({ store });
    await keep.load('sentiment');
    const failures: [string, string][] = [];
    keep.parts.follower.on('swap-failed', (reference, { code }) => failures.push([reference, code]));
    await push(bench.store, fixture('v3-head'), { name: 'sentiment' });
    await until('the swap failed', () => failures.length > 0);
    expect(failures[0]).toEqual(['sentiment', 'DIGEST_MISMATCH']);
    expect((await keep.predict('sentiment', TEXT)).record.version).toBe(1);
    await expect(keep.load('sentiment:2')).rejects.toMatchObject({ code: 'DIGEST_MISMATCH' });
    expect(keep.status().holds).toMatchObject([
      { version: 1, state: 'ready' },
      { version: 2, state: 'failed' },
    ]);
    damaged = false;
    await until('the new version answers', async () => (await keep.load('sentiment')).version === 2);
  });

  it('loses no request when a runner is killed', async () => {
    await push(bench.store, fixture('v2'), { name: 'sentiment' });
    const keep = await bench.node();
    await keep.load('sentiment');
    const asking = askInLoops(keep);
    for (const killed of [1, 2]) {
      const before = asking.versions.map((seen) => seen.length);
      await until('every loop goes on', () => asking.versions.every((seen, i) => seen.length > 2 + (before[i] ?? 0)));
      process.kill(keep.status().runners[0]?.pid ?? Number.NaN, 'SIGKILL');
      await until(
        'it is replaced',
        () => keep.status().runnerRestarts === killed && keep.status().runners.length === 2,
      );
      await until('its replacement holds the version', () => keep.status().holds[0]?.runners === 2);
    }
    await asking.stop();
    expect((await statsOf(keep)).map(({ loaded }) => loaded.length)).toEqual([1, 1]);
  });
});

describe('the end of a node', () => {
  it('answers what is in flight, refuses what comes later, and leaves no process', async () => {
    await push(bench.store, fixture('v2'), { name: 'sentiment' });
    const keep = await bench.node();
    const model = await keep.load('sentiment');
    const inFlight = Array.from({ length: 40 }, () => model.predict(TEXT));
    expect((await children()).length).toBe(2);
    const closing = [keep.close(), keep.close()];
    const later = [
      () => keep.load('sentiment'),
      () => keep.load('sentiment', { freshness: 'checked' }),
      () => keep.load('sentiment:1'),
      () => model.predict(TEXT),
      () => keep.predict('sentiment', TEXT),
    ];
    for (const ask of later) await expect(ask()).rejects.toMatchObject({ code: 'CLOSED' });
    await Promise.all(closing);
    expect(await Promise.all(inFlight)).toHaveLength(40);
    for (const ask of later) await expect(ask()).rejects.toMatchObject({ code: 'CLOSED' });
    expect(await children()).toEqual([]);
    // A store that was given stays open.
    await expect(bench.store.ping()).resolves.toBeUndefined();
  });

  it('ends a load that is under way', async () => {
    await push(bench.store, fixture('v2'), { name: 'sentiment' });
    const store = wrapStore(bench.store, {
      segmentFile: undefined,
      // oxlint-disable-next-line require-yield -- a store that never answers gives nothing
      async *readSegment(_record, _place, { signal } = {}) {
        signal?.throwIfAborted();
        await new Promise((_, reject) => {
          signal?.addEventListener('abort', () => reject(signal.reason as Error));
        });
      },
    });
    const keep = await bench.node({ store });
    const load = keep.load('sentiment').catch((error: unknown) => error);
    await until('it fetches', () => keep.status().holds[0]?.state === 'fetching');
    await keep.close();
    expect(await load).toMatchObject({ code: 'CLOSED' });
    expect(await children()).toEqual([]);
  });
});

describe('a store that goes away', () => {
  it('takes nothing from what is resident, and is told of', async () => {
    await push(bench.store, fixture('v2'), { name: 'sentiment' });
    await push(bench.store, fixture('v1'), { name: 'other' });
    let gone: Error | undefined;
    let tell: ((reachable: boolean, error?: Error) => void) | undefined;
    const refuse = async (): Promise<void> => {
      if (gone !== undefined) throw gone;
    };
    const store = wrapStore(bench.store, {
      watch: (options) => {
        tell = options.onReachable;
        return bench.store.watch(options);
      },
      resolve: (...args) => refuse().then(() => bench.store.resolve(...args)),
      isCurrent: (...args) => refuse().then(() => bench.store.isCurrent(...args)),
    });
    const keep = await bench.node({ store });
    const model = await keep.load('sentiment');
    expect(keep.status().store.reachable).toBe(true);
    gone = new ModelkeepError('STORE_UNAVAILABLE', 'The store does not answer');
    tell?.(false, gone);
    expect(keep.status().store).toMatchObject({ reachable: false, error: 'The store does not answer' });
    expect(await keep.load('sentiment')).toBe(model);
    expect((await keep.predict('sentiment', TEXT)).record.version).toBe(1);
    await expect(keep.load('sentiment', { freshness: 'checked' })).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    await expect(keep.load('other')).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    gone = undefined;
    tell?.(true);
    expect(keep.status().store.reachable).toBe(true);
    expect((await keep.load('other')).version).toBe(1);
  });
});
