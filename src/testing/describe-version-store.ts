import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { VersionStore } from '../core/index.js';
import { aliasCases, stateCases } from './alias-cases.js';
import { freshContents, freshModel } from './drafts.js';
import { failureCases, publishCases } from './publish-cases.js';
import { resolveCases } from './resolve-cases.js';
import { nodeCases, watchCases } from './watch-cases.js';

/** A store under test. It may hold other data: the suite uses model names of its own. */
export interface StoreUnderTest {
  readonly store: VersionStore;
  /** Opens another handle to the same data, as another process would have; the suite closes it. */
  readonly reopen?: () => Promise<VersionStore>;
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
    const closed = { code: 'CLOSED' };
    await expect(store.ping()).rejects.toMatchObject(closed);
    await expect(store.publish({ model, manifest }, source)).rejects.toMatchObject(closed);
    await expect(store.resolve({ model, selector: { kind: 'latest' } })).rejects.toMatchObject(closed);
    await expect(store.listVersions()).rejects.toMatchObject(closed);
    await expect(store.readManifest(record)).rejects.toMatchObject(closed);
    await expect(store.moveAlias({ model, alias: 'x', to: 1 })).rejects.toMatchObject(closed);
    await expect(store.watch({ models: () => [model], onChange: () => undefined })).rejects.toMatchObject(closed);
  });
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
    };
    lifecycleCases(suite);
    publishCases(suite);
    failureCases(suite);
    resolveCases(suite);
    aliasCases(suite);
    stateCases(suite);
    watchCases(suite);
    nodeCases(suite);
  });
}
