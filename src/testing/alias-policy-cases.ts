import { expect, it, vi } from 'vitest';
import { versionsOf, type AliasTraffic, type GateResult, type VersionStore } from '../core/index.js';
import type { StoreSuite } from './describe-version-store.js';
import { freshContents, freshModel } from './drafts.js';

const SPLIT: AliasTraffic = {
  kind: 'split',
  shares: [
    { version: 1, percent: 90 },
    { version: 2, percent: 10 },
  ],
};
const GATES: readonly GateResult[] = [
  {
    gate: 'quality',
    outcome: 'failed',
    summary: 'accuracy 0.9 -> 0.1',
    figures: { before: 0.9, after: 0.1 },
    examples: [{ place: 7, input: 'good', expected: 'POSITIVE', given: 'NEGATIVE' }],
  },
];

/** A model of three versions, whose alias `production` points at the first. */
async function publishThree(store: VersionStore): Promise<string> {
  const model = freshModel();
  for (let count = 0; count < 3; count += 1) {
    const { manifest, source } = freshContents();
    await store.publish({ model, manifest }, source);
  }
  await store.moveAlias({ model, alias: 'production', to: 1, by: 'ann' });
  return model;
}

function raceCases(suite: StoreSuite): void {
  it('tells the loser of a race who moved the alias, from where, and why', async () => {
    const store = suite.store();
    const model = await publishThree(store);
    await store.moveAlias({ model, alias: 'production', to: 2, by: 'bob', message: 'better', action: 'promote' });
    const [now] = await store.listAliases({ model });
    expect(now?.moved).toEqual({ at: expect.any(Date), from: 1, by: 'bob', message: 'better', action: 'promote' });
    for (const stale of [{ expect: 1 }, { expectRevision: 1 }]) {
      const lost = store.moveAlias({ model, alias: 'production', to: 3, ...stale });
      await expect(lost).rejects.toMatchObject({ code: 'ALIAS_CONFLICT', details: { version: 2, moved: now?.moved } });
      await expect(lost).rejects.toThrow(/bob.*better/);
    }
    const missing = store.moveAlias({ model, alias: 'staging', to: 3, expectRevision: 1 });
    await expect(missing).rejects.toMatchObject({ code: 'ALIAS_CONFLICT' });
    expect(await store.listAliases({ model })).toEqual([now]);
  });
}

function policyChangeCases(suite: StoreSuite): void {
  it('keeps the policy of an alias over its moves, and what gates found in its history', async () => {
    const store = suite.store();
    const model = await publishThree(store);
    const policy = { protected: true, gates: { maxDrop: 0.02 }, autoRollback: { withinMs: 60_000, maxErrorRate: 0.1 } };
    const changed = await store.changeAlias({ model, alias: 'production', policy, by: 'ann', message: 'careful' });
    expect(changed).toMatchObject({ version: 1, revision: 2, policy });
    await store.recordGateFailure({ model, alias: 'production', version: 2, gates: GATES, by: 'node-1' });
    await store.moveAlias({ model, alias: 'production', to: 2, action: 'promote', gates: GATES });
    expect(await store.listAliases({ model })).toMatchObject([{ version: 2, revision: 3, policy }]);
    expect(await store.listEvents({ model, limit: 3 })).toMatchObject([
      { kind: 'alias-moved', from: 1, to: 2, action: 'promote', gates: GATES },
      { kind: 'gate-failed', alias: 'production', version: 2, by: 'node-1', gates: GATES },
      { kind: 'alias-policy', alias: 'production', policy, by: 'ann', message: 'careful' },
    ]);
  });

  it('refuses a change of what is not there, has changed since, or means nothing, and changes nothing then', async () => {
    const store = suite.store();
    const model = await publishThree(store);
    const alias = 'production';
    const before = await store.listAliases({ model });
    const rejects = async (change: Parameters<VersionStore['changeAlias']>[0], code: string): Promise<void> => {
      await expect(store.changeAlias(change)).rejects.toMatchObject({ code });
    };
    await rejects({ model, alias: 'absent', policy: {} }, 'ALIAS_NOT_FOUND');
    await rejects({ model: freshModel(), alias, policy: {} }, 'MODEL_NOT_FOUND');
    await rejects({ model, alias, policy: {}, expectRevision: 9 }, 'ALIAS_CONFLICT');
    await rejects({ model, alias, policy: { gates: { maxDrop: Number.NaN } } }, 'INVALID_INPUT');
    await rejects({ model, alias, policy: { autoRollback: { withinMs: 1_000 } } }, 'INVALID_INPUT');
    await rejects({ model, alias, traffic: { kind: 'shadow', version: 9 } }, 'VERSION_NOT_FOUND');
    await rejects({ model, alias, traffic: { kind: 'shadow', version: 1 } }, 'INVALID_INPUT');
    await rejects(
      { model, alias, traffic: { kind: 'split', shares: [{ version: 2, percent: 100 }] } },
      'INVALID_INPUT',
    );
    await expect(store.recordGateFailure({ model, version: 9, gates: [] })).rejects.toMatchObject({
      code: 'VERSION_NOT_FOUND',
    });
    expect(await store.listAliases({ model })).toEqual(before);
  });
}

function trafficCases(suite: StoreSuite): void {
  it('shares the requests of an alias until it is moved, and keeps the versions that it needs', async () => {
    const store = suite.store();
    const model = await publishThree(store);
    const alias = 'production';
    const split = await store.changeAlias({ model, alias, traffic: SPLIT });
    expect(split).toMatchObject({ version: 1, revision: 2, traffic: SPLIT });
    expect(versionsOf(split)).toEqual([1, 2]);
    await expect(store.setState(model, 2, 'archived')).rejects.toMatchObject({ code: 'ALIAS_CONFLICT' });
    await store.setState(model, 3, 'archived');
    const shadow = { kind: 'shadow', version: 3 } as const;
    await expect(store.changeAlias({ model, alias, traffic: shadow })).rejects.toMatchObject({
      code: 'VERSION_NOT_FOUND',
    });
    await store.setState(model, 3, 'ready');
    await store.changeAlias({ model, alias, traffic: shadow });
    await expect(store.setState(model, 3, 'archived')).rejects.toMatchObject({ code: 'ALIAS_CONFLICT' });
    // Moving it to where it is ends the sharing all the same.
    const alone = await store.moveAlias({ model, alias, to: 1 });
    expect(alone).toMatchObject({ from: 1, version: 1, revision: 4 });
    expect(alone.traffic).toBeUndefined();
    expect(await store.listEvents({ model, limit: 1 })).toMatchObject([{ kind: 'alias-moved', from: 1, to: 1 }]);
    expect((await store.changeAlias({ model, alias, traffic: null })).traffic).toBeUndefined();
  });

  it('tells watchers of a change of the traffic', async () => {
    const store = suite.store();
    const other = (await suite.second()) ?? store;
    const model = await publishThree(store);
    const onChange = vi.fn<(model: string) => void>();
    const watch = await store.watch({ models: () => [model], onChange });
    // The first look of a poll tells of every model.
    await other.moveAlias({ model, alias: 'other', to: 1 });
    await vi.waitFor(() => expect(onChange).toHaveBeenCalledWith(model), { timeout: 10_000, interval: 10 });
    onChange.mockClear();
    await other.changeAlias({ model, alias: 'production', traffic: SPLIT });
    await vi.waitFor(() => expect(onChange).toHaveBeenCalledWith(model), { timeout: 10_000, interval: 10 });
    await watch.close();
  });
}

/** What guards aliases, how their requests are shared, and what a lost race is told. */
export function policyCases(suite: StoreSuite): void {
  raceCases(suite);
  policyChangeCases(suite);
  trafficCases(suite);
}
