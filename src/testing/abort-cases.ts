import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { expect, it } from 'vitest';
import { distinctPlaces, type Abortable, type ContentSource, type VersionStore } from '../core/index.js';
import type { StoreSuite } from './describe-version-store.js';
import { contentsOf, freshContents, freshModel } from './drafts.js';

type Operation = (options: Abortable) => Promise<unknown>;

/** Each operation that takes a signal, on a model with one version. */
async function operations(store: VersionStore): Promise<Readonly<Record<string, Operation>>> {
  const model = freshModel();
  const [made, next] = [freshContents(), freshContents()];
  const { record } = await store.publish({ model, manifest: made.manifest }, made.source);
  const reference = { model, selector: { kind: 'latest' } } as const;
  return {
    ping: (options) => store.ping(options),
    publish: (options) => store.publish({ model, manifest: next.manifest }, next.source, options),
    resolve: (options) => store.resolve(reference, options),
    isCurrent: (options) => store.isCurrent(reference, 1, options),
    listVersions: (options) => store.listVersions({ model }, options),
    readManifest: (options) => store.readManifest(record, options),
    readSegment: async (options) => {
      for (const place of distinctPlaces(made.manifest)) {
        await store.readSegment(record, place, options)[Symbol.asyncIterator]().next();
      }
    },
    feedEnd: (options) => store.feedEnd(options),
    readFeed: (options) => store.readFeed({ after: 0, limit: 1 }, options),
    readEntry: (options) => store.readEntry({ kind: 'k', key: 'k' }, options),
    listEntries: (options) => store.listEntries({ kind: 'k' }, options),
    writeEntry: (options) => store.writeEntry({ kind: 'k', key: 'k', value: {} }, options),
    removeEntry: (options) => store.removeEntry({ kind: 'k', key: 'k' }, options),
    listAliases: (options) => store.listAliases({ model }, options),
    moveAlias: (options) => store.moveAlias({ model, alias: 'a', to: 1 }, options),
    changeAlias: (options) => store.changeAlias({ model, alias: 'a', traffic: null }, options),
    recordGateFailure: (options) => store.recordGateFailure({ model, version: 1, gates: [] }, options),
    listEvents: (options) => store.listEvents({ model }, options),
    listNodes: (options) => store.listNodes(options),
    now: (options) => store.now(options),
    listStored: (options) => store.listStored(options)[Symbol.asyncIterator]().next(),
    removeStored: (options) => store.removeStored([], { ...options, before: new Date(0) }),
    collectVersion: (options) => store.collectVersion(model, 1, { ...options, before: new Date(0) }),
    repair: (options) => store.repair(record, made.manifest, made.source, options),
    recordVerified: (options) =>
      store.recordVerified({ model, version: 1, deep: true, problems: 0, repaired: 0 }, options),
    listRetention: (options) => store.listRetention(options),
    importEvents: (options) => store.importEvents([], options),
  };
}

/** A source that gives one byte and then waits until it is told to stop. */
export function hangingSource(onHang: () => void = () => undefined): ContentSource {
  return {
    async *open(_path, _range, options = {}) {
      yield Buffer.alloc(1);
      onHang();
      const { signal } = options;
      if (signal === undefined) throw new Error('The store gave the source no signal');
      if (!signal.aborted) await once(signal, 'abort');
      throw signal.reason;
    },
  };
}

/** Signals end operations. */
export function abortCases(suite: StoreSuite): void {
  it('rejects every operation whose signal has fired: CANCELLED, or DEADLINE_EXCEEDED for a timeout', async () => {
    const store = suite.store();
    const timeout = AbortSignal.timeout(1);
    if (!timeout.aborted) await once(timeout, 'abort');
    const codes: Record<string, unknown[]> = {};
    for (const [name, operation] of Object.entries(await operations(store))) {
      codes[name] = [];
      for (const signal of [AbortSignal.abort(), timeout]) {
        codes[name].push(await operation({ signal }).then(() => 'done', codeOf));
      }
    }
    const both = ['CANCELLED', 'DEADLINE_EXCEEDED'];
    expect(codes).toEqual(Object.fromEntries(Object.keys(codes).map((name) => [name, both])));
  });

  it('ends a publish that waits for its source when the time is over, with DEADLINE_EXCEEDED', async () => {
    const store = suite.store();
    const model = freshModel();
    const { manifest } = freshContents();
    const publishing = store.publish({ model, manifest }, hangingSource(), { signal: AbortSignal.timeout(50) });
    await expect(publishing).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
    expect(await store.listVersions({ model })).toEqual([]);
  });

  it('ends a read when its signal fires on the way', async () => {
    const store = suite.store();
    const made = contentsOf({ 'a.bin': randomBytes(5_000_000) }, { segmentBytes: 5_000_000 });
    const { record } = await store.publish({ model: freshModel(), manifest: made.manifest }, made.source);
    const [place] = distinctPlaces(made.manifest);
    if (place === undefined) throw new Error('The contents have no segment');
    const during = new AbortController();
    const reader = store.readSegment(record, place, { signal: during.signal })[Symbol.asyncIterator]();
    expect((await reader.next()).done).toBe(false);
    during.abort();
    await expect(reader.next()).rejects.toMatchObject({ code: 'CANCELLED' });
    expect((await reader.next()).done).toBe(true);
  });
}

function codeOf(error: unknown): unknown {
  return (error as { code?: unknown }).code;
}
