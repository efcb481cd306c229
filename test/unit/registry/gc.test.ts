import { randomBytes } from 'node:crypto';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { collectGarbage, setRetention, type Collected } from '../../../src/registry/index.js';
import { createMemoryData, openMemoryStore, type MemoryData } from '../../../src/stores/index.js';
import { contentsOf, digestsOf, freshContents, readBack } from '../../../src/testing/index.js';
import { contentSize, distinctPlaces, type VersionStore } from '../../../src/core/index.js';

const GRACE_MS = 1_000;

let data: MemoryData;
let store: VersionStore;

beforeEach(async () => {
  data = createMemoryData();
  store = await openMemoryStore({ data });
  vi.useFakeTimers({ toFake: ['Date'], now: 1_700_000_000_000 });
  return () => void vi.useRealTimers();
});

const pass = (ms: number): void => void vi.setSystemTime(Date.now() + ms);

async function publish(model = 'm') {
  const made = freshContents();
  return { ...made, ...(await store.publish({ model, manifest: made.manifest }, made.source)) };
}

const gc = (options = {}): Promise<Collected> => collectGarbage(store, { graceMs: GRACE_MS, ...options });
const numbers = async (): Promise<number[]> => (await store.listVersions()).map(({ version }) => version);

describe('collecting garbage', () => {
  it('removes nothing that a version needs, archived and deleted ones included', async () => {
    for (let count = 0; count < 3; count += 1) await publish();
    await store.setState('m', 1, 'archived');
    await store.setState('m', 2, 'deleted');
    pass(GRACE_MS);
    expect(await gc()).toMatchObject({ markedVersions: 3, removed: { count: 0, bytes: 0 }, restorable: ['m:2'] });
  });

  it('collects a version a grace time after its deletion, and its own data with it', async () => {
    const shared = randomBytes(500);
    const [one, two] = [
      contentsOf({ 'a.bin': shared, 'b.bin': randomBytes(100) }),
      contentsOf({ 'a.bin': shared, 'b.bin': randomBytes(200) }),
    ];
    await store.publish({ model: 'm', manifest: one.manifest }, one.source);
    const kept = await store.publish({ model: 'm', manifest: two.manifest }, two.source);
    pass(10 * GRACE_MS);
    await store.setState('m', 1, 'deleted');
    pass(GRACE_MS);
    expect(await gc()).toMatchObject({ collected: [], removed: { count: 0 } });
    pass(1);
    const dry = await gc({ dryRun: true });
    expect(dry).toMatchObject({ dryRun: true, collected: ['m:1'], removed: { count: 1, bytes: 100 } });
    expect(await store.listVersions({ deleted: true })).toHaveLength(2);
    expect(await gc()).toEqual({ ...dry, dryRun: false });
    expect(await gc()).toMatchObject({ collected: [], removed: { count: 0 } });
    expect(await readBack(store, kept.record)).toEqual(digestsOf(two.files));
    expect(data.segments.size).toBe(2);
  });

  it('keeps what an upload that was cut off has left for the grace time, then removes it', async () => {
    await publish();
    const made = contentsOf({ 'a.bin': randomBytes(300) }, { segmentBytes: 100 });
    const broken = {
      open: (...asked: Parameters<typeof made.source.open>) => failAt(made.source.open(...asked), asked[1].start),
    };
    await expect(store.publish({ model: 'm', manifest: made.manifest }, broken)).rejects.toThrow('source broke');
    pass(GRACE_MS);
    expect(await gc()).toMatchObject({ removed: { count: 0 }, waiting: { count: 3, bytes: 200 } });
    pass(1);
    expect(await gc()).toMatchObject({ removed: { count: 3, bytes: 200 }, waiting: { count: 0 } });
  });

  it('gives what an earlier release stored without a time its grace time from now on', async () => {
    const { manifest } = await publish();
    for (const { digest } of distinctPlaces(manifest)) data.rows.delete(`segment ${digest}`);
    await store.setState('m', 1, 'deleted');
    pass(GRACE_MS + 1);
    expect(await gc()).toMatchObject({ collected: ['m:1'], removed: { count: 0 }, waiting: { count: 2 } });
    pass(GRACE_MS + 1);
    expect(await gc()).toMatchObject({ removed: { count: 2, bytes: contentSize(manifest) } });
  });

  it('is not misled by a clock that goes back', async () => {
    const { manifest, source, files } = await publish();
    await store.setState('m', 1, 'deleted');
    pass(GRACE_MS + 1);
    const before = new Date((await store.now()).getTime() - GRACE_MS);
    expect(await store.collectVersion('m', 1, { before })).toBe(true);
    // Between a collector's mark and its sweep the clock goes back a day, and somebody publishes the same bytes.
    pass(-24 * 3_600_000);
    const again = await store.publish({ model: 'n', manifest }, source);
    expect(
      await store.removeStored(
        distinctPlaces(manifest).map(({ digest }) => digest),
        { before },
      ),
    ).toEqual([]);
    expect(await readBack(store, again.record)).toEqual(digestsOf(files));
  });

  it('removes nothing while a manifest cannot be read', async () => {
    const first = await publish();
    await publish();
    await store.setState('m', 1, 'deleted');
    pass(GRACE_MS + 1);
    data.rows.set(`manifest ${(await store.listVersions())[0]?.digest}`, '{}');
    await expect(gc()).rejects.toMatchObject({ code: 'DIGEST_MISMATCH', message: expect.stringMatching(/m:2/) });
    for (const { digest } of distinctPlaces(first.manifest)) expect(data.segments.has(digest)).toBe(true);
  });

  it('refuses a grace time under a second', async () => {
    await expect(gc({ graceMs: 999 })).rejects.toMatchObject({ code: 'INVALID_INPUT' });
    await expect(gc({ graceMs: Number.NaN })).rejects.toMatchObject({ code: 'INVALID_INPUT' });
  });
});

describe('retention', () => {
  it('archives, deletes and collects what no rule keeps, a grace time apart', async () => {
    for (let count = 0; count < 6; count += 1) await publish();
    await store.moveAlias({ model: 'm', alias: 'production', to: 1 });
    await store.moveAlias({ model: 'm', alias: 'production', to: 2 });
    await setRetention(store, { model: 'm', keepLast: 2, keepAliased: true });
    const steps: unknown[] = [];
    for (let round = 0; round < 4; round += 1) {
      const { archived, deleted, collected, removed } = await gc({ by: 'ann' });
      steps.push({ archived, deleted, collected, count: removed.count });
      pass(GRACE_MS + 1);
    }
    const none: string[] = [];
    const gone = ['m:3', 'm:4'];
    expect(steps).toEqual([
      { archived: gone, deleted: none, collected: none, count: 0 },
      { archived: none, deleted: gone, collected: none, count: 0 },
      { archived: none, deleted: none, collected: gone, count: 4 },
      { archived: none, deleted: none, collected: none, count: 0 },
    ]);
    expect(await numbers()).toEqual([1, 2, 5, 6]);
    const kinds = (await store.listEvents({ model: 'm' })).filter((event) => 'version' in event && event.version === 3);
    expect(kinds.map(({ kind }) => kind)).toEqual(['collected', 'deleted', 'archived', 'published']);
  });

  it('keeps young versions, and always the newest that is ready', async () => {
    await publish();
    pass(10_000);
    await publish();
    await publish();
    await store.setState('m', 3, 'archived');
    await setRetention(store, { model: 'm', keepYoungerThanMs: 5_000 });
    expect(await gc()).toMatchObject({ archived: ['m:1'], deleted: [] });
    pass(10_000);
    expect(await gc()).toMatchObject({ archived: [], deleted: ['m:1', 'm:3'] });
    expect(await numbers()).toEqual([2]);
  });

  it('leaves models without a policy alone, and refuses rules that are none', async () => {
    await publish();
    await publish('other');
    pass(1e9);
    expect(await gc()).toMatchObject({ archived: [], deleted: [] });
    const reject = async (policy: Parameters<typeof setRetention>[1], code: string): Promise<void> => {
      await expect(setRetention(store, policy)).rejects.toMatchObject({ code });
    };
    await reject({ model: 'nobody', keepLast: 1 }, 'MODEL_NOT_FOUND');
    await reject({ model: 'No Name', keepLast: 1 }, 'INVALID_REFERENCE');
    await reject({ model: 'm', keepLast: 0 }, 'INVALID_INPUT');
    await reject({ model: 'm', keepLast: Number.NaN }, 'INVALID_INPUT');
    await reject({ model: 'm', keepYoungerThanMs: -1 }, 'INVALID_INPUT');
    expect(await store.listRetention()).toEqual([]);
  });
});

async function* failAt(bytes: AsyncIterable<Uint8Array>, start: number): AsyncGenerator<Uint8Array> {
  if (start >= 200) throw new Error('the source broke');
  yield* bytes;
}
