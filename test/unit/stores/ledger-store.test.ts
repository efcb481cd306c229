import { randomBytes } from 'node:crypto';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { distinctPlaces, type ContentSource, type VersionStore } from '../../../src/core/index.js';
import { isCurrentRow } from '../../../src/stores/ledger/records.js';
import { KEYS, type LedgerTable } from '../../../src/stores/ledger/table.js';
import { watchLedger } from '../../../src/stores/ledger/watch.js';
import { diskErrors } from '../../../src/stores/local/disk-error.js';
import { createMemoryData, openMemoryStore, type MemoryData } from '../../../src/stores/memory/open.js';
import { contentsOf, digestsOf, freshContents, readBack } from '../../../src/testing/index.js';

const latest = { model: 'm', selector: { kind: 'latest' } } as const;

async function openStore(data: MemoryData = createMemoryData()): Promise<VersionStore> {
  const store = await openMemoryStore({ data });
  onTestFinished(() => store.close());
  return store;
}

/** A table of `count` versions of one model of which the newest `archived` are archived, and how many rows were read. */
function countedTable(count: number, archived: number): { table: LedgerTable; rowsRead: () => number } {
  let rowsRead = 0;
  const row = (version: number): string => {
    rowsRead += 1;
    return JSON.stringify({ model: 'm', version, state: version > count - archived ? 'archived' : 'ready' });
  };
  const table: LedgerTable = {
    get: (key) => (key === KEYS.version('m', 7) ? row(7) : undefined),
    put: () => undefined,
    remove: () => undefined,
    *range(prefix, { reverse = false, limit = count } = {}) {
      if (prefix !== KEYS.versions('m')) return;
      for (let index = 0; index < limit; index += 1) yield row(reverse ? count - index : index + 1);
    },
  };
  return { table, rowsRead: () => rowsRead };
}

describe('the check whether a version is current', () => {
  it.each([
    [0, 10_000, true, 1],
    [0, 9_999, false, 1],
    [2, 9_998, true, 3],
  ])('reads past %i archived versions only', (archived, version, expected, rows) => {
    const { table, rowsRead } = countedTable(10_000, archived);
    expect(isCurrentRow(table, latest, version)).toBe(expected);
    expect(rowsRead()).toBe(rows);
  });

  it('reads one row for a version number, and none of the others', () => {
    const { table, rowsRead } = countedTable(10_000, 0);
    const seven = { model: 'm', selector: { kind: 'version', version: 7 } } as const;
    expect(isCurrentRow(table, seven, 7)).toBe(true);
    expect(isCurrentRow(table, seven, 8)).toBe(false);
    expect(rowsRead()).toBe(1);
  });
});

describe('metadata', () => {
  it('may have 1 MiB as JSON, and no more', async () => {
    const store = await openStore();
    const { manifest, source } = freshContents();
    // {"a":"…"} has 8 characters around the text.
    const draft = { model: 'm', manifest, metadata: { a: 'x'.repeat(1_048_576 - 8) } };
    const { record } = await store.publish(draft, source);
    expect(record.metadata).toEqual(draft.metadata);
    const larger = { ...draft, force: true, metadata: { a: `${draft.metadata.a}x` } };
    await expect(store.publish(larger, source)).rejects.toMatchObject({ code: 'INVALID_INPUT' });
  });

  it('that is no JSON is refused with INVALID_INPUT', async () => {
    const store = await openStore();
    const { manifest, source } = freshContents();
    const cycle: Record<string, unknown> = {};
    cycle['self'] = cycle;
    for (const metadata of [cycle, { size: 1n }]) {
      await expect(store.publish({ model: 'm', manifest, metadata }, source)).rejects.toMatchObject({
        code: 'INVALID_INPUT',
      });
    }
    expect(await store.listVersions()).toEqual([]);
  });

  it('keeps texts that look like dates as texts', async () => {
    const store = await openStore();
    const { manifest, source } = freshContents();
    const metadata = { at: '2020-01-01T00:00:00.000Z', publishedAt: 'yesterday', nested: { since: '2020' } };
    await store.publish({ model: 'm', manifest, metadata }, source);
    expect((await store.resolve(latest)).metadata).toEqual(metadata);
  });
});

describe('contents', () => {
  it('that are damaged in memory are sent again by the next publish of them', async () => {
    const data = createMemoryData();
    const store = await openStore(data);
    const made = contentsOf({ 'a.bin': randomBytes(300_000) });
    await store.publish({ model: 'm', manifest: made.manifest }, made.source);
    const [first] = distinctPlaces(made.manifest);
    if (first === undefined) throw new Error('There is no segment');
    data.segments.set(first.digest, Buffer.alloc(first.size));
    const again = await store.publish({ model: 'm', manifest: made.manifest }, made.source);
    expect(again).toMatchObject({ created: false, sentBytes: first.size, reusedBytes: 300_000 - first.size });
    expect(await readBack(store, again.record)).toEqual(digestsOf(made.files));
  });

  it.each([-1, 0.5, Number.NaN, 100_001])('cannot be read from %d', async (start) => {
    const store = await openStore();
    const made = contentsOf({ 'a.bin': randomBytes(100_000) });
    const { record } = await store.publish({ model: 'm', manifest: made.manifest }, made.source);
    const [place] = distinctPlaces(made.manifest);
    if (place === undefined) throw new Error('There is no segment');
    const reader = store.readSegment(record, place, { start })[Symbol.asyncIterator]();
    await expect(reader.next()).rejects.toMatchObject({ code: 'INVALID_INPUT' });
  });

  it('are not waited for when the source neither answers nor heeds the signal, and its reader is told', async () => {
    const store = await openStore();
    const { manifest } = freshContents();
    const ended = vi.fn<() => void>();
    const source: ContentSource = {
      open: () => ({
        [Symbol.asyncIterator]: () => ({
          next: () => new Promise(() => undefined),
          return: async () => {
            ended();
            return { done: true, value: undefined };
          },
        }),
      }),
    };
    const publishing = store.publish({ model: 'm', manifest }, source, { signal: AbortSignal.timeout(20) });
    await expect(publishing).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
    expect(ended).toHaveBeenCalledTimes(1);
  });
});

describe('a watch', () => {
  it('says once that the store is gone and once that it is back, with the reason', async () => {
    let broken: Error | undefined;
    const { table } = countedTable(0, 0);
    const ledger = {
      read: <T>(work: (rows: LedgerTable) => T): T => {
        if (broken !== undefined) throw broken;
        return work(table);
      },
      write: <T>(work: (rows: LedgerTable) => T): T => work(table),
    };
    const onReachable = vi.fn<(reachable: boolean, error?: Error) => void>();
    const options = { models: () => ['m'], onChange: () => undefined, onReachable };
    const onClose = vi.fn<() => void>();
    const watch = watchLedger(ledger, options, diskErrors('/data'), onClose);
    const called = (times: number): Promise<void> =>
      vi.waitFor(() => expect(onReachable).toHaveBeenCalledTimes(times), { timeout: 5_000, interval: 5 });
    broken = Object.assign(new Error('read error'), { code: 5 });
    await called(1);
    expect(onReachable).toHaveBeenLastCalledWith(false, expect.objectContaining({ code: 'STORE_UNAVAILABLE' }));
    broken = undefined;
    await called(2);
    expect(onReachable).toHaveBeenLastCalledWith(true, undefined);
    await watch.close();
    expect(onClose).toHaveBeenCalledTimes(1);
  });
});
