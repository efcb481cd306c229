import { EventEmitter, once } from 'node:events';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  distinctPlaces,
  type Manifest,
  type SegmentPlace,
  type VersionRecord,
  type VersionStore,
} from '../core/index.js';
import { abortCases, hangingSource } from './abort-cases.js';
import { aliasCases, stateCases } from './alias-cases.js';
import { policyCases } from './alias-policy-cases.js';
import { careCases } from './care-cases.js';
import { copyCases } from './copy-cases.js';
import { repairCases } from './repair-cases.js';
import { annotationCases, whereCases } from './annotation-cases.js';
import { freshContents, freshModel } from './drafts.js';
import { entryCases } from './entry-cases.js';
import { feedCases } from './feed-cases.js';
import { failureCases, publishCases } from './publish-cases.js';
import { readCases } from './read-cases.js';
import { resolveCases } from './resolve-cases.js';
import { nodeCases, watchCases } from './watch-cases.js';

/** What is done to the stored bytes of a segment: one bit flipped, the last byte cut off, or all gone. */
export type SegmentDamage = 'altered' | 'truncated' | 'removed';

/** Damages what a store keeps of a segment, behind its back. */
export type DamageSegment = (record: VersionRecord, place: SegmentPlace, how: SegmentDamage) => Promise<void>;

/** A store under test. It may hold other data: the suite uses model names of its own. */
export interface StoreUnderTest {
  readonly store: VersionStore;
  /** Opens another handle to the same data, as another process would have; the suite closes it. */
  readonly reopen?: () => Promise<VersionStore>;
  /** Damages stored bytes; without it the suite does not test what the store does about them. */
  readonly damage?: DamageSegment;
  /** Called after the suite closed its handles. */
  readonly cleanup?: () => Promise<void>;
}

/** Options of {@link describeVersionStore}. */
export interface StoreSuiteOptions {
  /** Time limit of each test, in milliseconds. @defaultValue 30_000 */
  readonly timeLimitMs?: number;
}

/** What the cases of the suite work on. */
export interface StoreSuite {
  /** The store of the running test. */
  store(): VersionStore;
  /** A second handle, closed after the test; undefined where the adapter cannot open one. */
  second(): Promise<VersionStore | undefined>;
  /** Damages stored bytes of the running test's store, where the adapter can. */
  damage(): DamageSegment | undefined;
}

function lifecycleCases(suite: StoreSuite): void {
  it('answers a ping and shows its location without secrets', async () => {
    await suite.store().ping();
    expect(suite.store().location).not.toBe('');
    expect(suite.store().location).not.toMatch(/\/\/[^/@]*:[^/@]*@/);
  });

  it('closes once for all callers, and rejects everything afterwards with CLOSED', async () => {
    const store = suite.store();
    const model = freshModel();
    const { manifest, source } = freshContents();
    const { record } = await store.publish({ model, manifest }, source);
    await Promise.all([store.close(), store.close()]);
    await store.close();
    const codes: Record<string, unknown> = {};
    for (const [name, operation] of Object.entries(everything(store, record, manifest))) {
      codes[name] = await operation().then(
        () => 'done',
        (error: unknown) => (error as { code?: unknown }).code,
      );
    }
    expect(codes).toEqual(Object.fromEntries(Object.keys(codes).map((name) => [name, 'CLOSED'])));
  });

  it('ends a publish that waits for its source with CLOSED, and shows nothing of it', async () => {
    const store = suite.store();
    const model = freshModel();
    const { manifest } = freshContents();
    const hung = new EventEmitter();
    const hanging = once(hung, 'hung');
    const outcome = store
      .publish(
        { model, manifest },
        hangingSource(() => hung.emit('hung')),
      )
      .then(
        () => 'published',
        (error: unknown) => error,
      );
    await hanging;
    await store.close();
    expect(await outcome).toMatchObject({ code: 'CLOSED' });
    expect((await (await suite.second())?.listVersions({ model })) ?? []).toEqual([]);
  });
}

/** Every operation of a store, on the version `record`. */
function everything(
  store: VersionStore,
  record: VersionRecord,
  manifest: Manifest,
): Readonly<Record<string, () => Promise<unknown>>> {
  const { model } = record;
  const reference = { model, selector: { kind: 'latest' } } as const;
  const [place] = distinctPlaces(manifest);
  if (place === undefined) throw new Error('The contents have no segment');
  const at = new Date();
  const report = { node: 'n', host: 'h', pid: 1, startedAt: at, holds: [], follows: [] };
  return {
    ping: () => store.ping(),
    publish: () => store.publish({ model, manifest, force: true }, freshContents().source),
    resolve: () => store.resolve(reference),
    isCurrent: () => store.isCurrent(reference, 1),
    listVersions: () => store.listVersions(),
    readManifest: () => store.readManifest(record),
    readSegment: () => store.readSegment(record, place)[Symbol.asyncIterator]().next(),
    ...(store.capabilities.localFiles ? { segmentFile: async () => store.segmentFile?.(place) } : {}),
    setState: () => store.setState(model, 1, 'archived'),
    annotate: () => store.annotate({ model, version: 1 }, { addTags: ['x'] }),
    readEntry: () => store.readEntry({ kind: 'k', key: 'k' }),
    listEntries: () => store.listEntries({ kind: 'k' }),
    writeEntry: () => store.writeEntry({ kind: 'k', key: 'k', value: {} }),
    feedEnd: () => store.feedEnd(),
    readFeed: () => store.readFeed({ after: 0, limit: 1 }),
    removeEntry: () => store.removeEntry({ kind: 'k', key: 'k' }),
    listAliases: () => store.listAliases(),
    moveAlias: () => store.moveAlias({ model, alias: 'x', to: 1 }),
    changeAlias: () => store.changeAlias({ model, alias: 'x', traffic: null }),
    recordGateFailure: () => store.recordGateFailure({ model, version: 1, gates: [] }),
    removeAlias: () => store.removeAlias({ model, alias: 'x' }),
    listEvents: () => store.listEvents({ model }),
    reportNode: () => store.reportNode(report, { ttlMs: 1_000 }),
    listNodes: () => store.listNodes(),
    now: () => store.now(),
    listStored: () => store.listStored()[Symbol.asyncIterator]().next(),
    readStored: () => store.readStored(place)[Symbol.asyncIterator]().next(),
    removeStored: () => store.removeStored([], { before: at }),
    collectVersion: () => store.collectVersion(model, 1, { before: at }),
    repair: () => store.repair(record, manifest, freshContents().source),
    recordVerified: () => store.recordVerified({ model, version: 1, deep: true, problems: 0, repaired: 0 }),
    listRetention: () => store.listRetention(),
    setRetention: () => store.setRetention({ model, keepLast: 1 }),
    importEvents: () => store.importEvents([]),
    watch: () => store.watch({ models: () => [model], onChange: () => undefined }),
  };
}

/**
 * The contract of the store port, as vitest tests: run it on each adapter in each of its configurations.
 *
 * @param name shown in the test report
 * @param open opens a store before each test
 */
export function describeVersionStore(
  name: string,
  open: () => Promise<StoreUnderTest>,
  options: StoreSuiteOptions = {},
): void {
  describe(`version store: ${name}`, { timeout: options.timeLimitMs ?? 30_000 }, () => {
    let current: StoreUnderTest | undefined;
    let others: VersionStore[] = [];
    const opened = (): StoreUnderTest => {
      if (current === undefined) throw new Error('The store under test is not open');
      return current;
    };
    beforeEach(async () => {
      others = [];
      current = await open();
    }, options.timeLimitMs ?? 30_000);
    afterEach(async () => {
      const ended = current;
      current = undefined;
      await Promise.all([ended?.store.close(), ...others.map((store) => store.close())]);
      await ended?.cleanup?.();
    }, options.timeLimitMs ?? 30_000);
    const suite: StoreSuite = {
      store: () => opened().store,
      second: async () => {
        const store = await opened().reopen?.();
        if (store !== undefined) others.push(store);
        return store;
      },
      damage: () => opened().damage,
    };
    lifecycleCases(suite);
    publishCases(suite);
    failureCases(suite);
    readCases(suite);
    abortCases(suite);
    resolveCases(suite);
    aliasCases(suite);
    policyCases(suite);
    stateCases(suite);
    watchCases(suite);
    nodeCases(suite);
    careCases(suite);
    repairCases(suite);
    copyCases(suite);
    annotationCases(suite);
    whereCases(suite);
    entryCases(suite);
    feedCases(suite);
  });
}
