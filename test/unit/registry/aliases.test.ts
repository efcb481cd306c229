import { beforeEach, describe, expect, it } from 'vitest';
import { parseReference, type GateResult, type VersionStore } from '../../../src/core/index.js';
import {
  getAlias,
  history,
  promote,
  removeAlias,
  rollback,
  setAliasPolicy,
  setAliasTraffic,
  type RunGates,
} from '../../../src/registry/index.js';
import { openMemoryStore } from '../../../src/stores/memory/open.js';
import { freshContents } from '../../../src/testing/index.js';

let store: VersionStore;
const ref = parseReference;
const PRODUCTION = ref('m@production');
const CODE = (code: string) => ({ code });

beforeEach(async () => {
  store = await openMemoryStore();
  for (let version = 1; version <= 3; version++) {
    const { manifest, source } = freshContents();
    await store.publish({ model: 'm', manifest }, source);
  }
  await promote(store, ref('m:1'), { to: 'production' });
  await promote(store, ref('m:2'), { to: 'production' });
});

describe('a protected alias', () => {
  it('asks every change for a message and for the right to make it, and changes nothing without', async () => {
    await setAliasPolicy(store, PRODUCTION, { protected: true });
    const before = await getAlias(store, PRODUCTION);
    const changes = [
      (options: object) => promote(store, ref('m:3'), { to: 'production', ...options }),
      (options: object) => rollback(store, PRODUCTION, options),
      (options: object) => setAliasTraffic(store, PRODUCTION, { kind: 'shadow', version: 3 }, options),
      (options: object) => setAliasPolicy(store, PRODUCTION, { protected: false }, options),
      (options: object) => removeAlias(store, PRODUCTION, options),
    ];
    for (const change of changes) {
      await expect(change({})).rejects.toMatchObject(CODE('INVALID_INPUT'));
      await expect(change({ message: '  ' })).rejects.toMatchObject(CODE('INVALID_INPUT'));
      await expect(change({ message: 'why', mayChangeProtected: false })).rejects.toMatchObject(CODE('FORBIDDEN'));
    }
    expect(await getAlias(store, PRODUCTION)).toEqual(before);
    for (const change of changes) await change({ message: 'why' });
    await expect(getAlias(store, PRODUCTION)).rejects.toMatchObject(CODE('ALIAS_NOT_FOUND'));
  });

  it('leaves other aliases alone', async () => {
    await setAliasPolicy(store, PRODUCTION, { protected: true });
    expect(await promote(store, ref('m:3'), { to: 'staging', mayChangeProtected: false })).toMatchObject({
      version: 3,
    });
  });
});

describe('the policy of an alias', () => {
  it('is changed field by field, and a field goes back to its default', async () => {
    await setAliasPolicy(store, PRODUCTION, { gates: { maxDrop: 0.02, quality: 'on' } });
    await setAliasPolicy(store, PRODUCTION, {
      gates: { maxLatencyRatio: 2 },
      autoRollback: { withinMs: 5, maxP95Ms: 9 },
    });
    expect((await getAlias(store, PRODUCTION)).policy).toEqual({
      gates: { maxDrop: 0.02, quality: 'on', maxLatencyRatio: 2 },
      autoRollback: { withinMs: 5, maxP95Ms: 9 },
    });
    await setAliasPolicy(store, PRODUCTION, { gates: { quality: undefined }, autoRollback: null });
    expect((await getAlias(store, PRODUCTION)).policy).toEqual({ gates: { maxDrop: 0.02, maxLatencyRatio: 2 } });
    await setAliasPolicy(store, PRODUCTION, { gates: null });
    expect((await getAlias(store, PRODUCTION)).policy).toEqual({});
  });
});

describe('a rollback', () => {
  it('of an alias that is split ends the split, and goes back only the next time', async () => {
    await setAliasTraffic(store, PRODUCTION, {
      kind: 'split',
      shares: [
        { version: 2, percent: 50 },
        { version: 3, percent: 50 },
      ],
    });
    expect(await rollback(store, PRODUCTION)).toMatchObject({ from: 2, version: 2 });
    expect((await getAlias(store, PRODUCTION)).traffic).toBeUndefined();
  });

  it('goes by the alias itself, not by clocks: events of a machine whose clock is wrong mislead it not', async () => {
    const events = await store.listEvents({ model: 'm' });
    const scrambled: VersionStore = new Proxy(store, {
      get: (target, name) =>
        name === 'listEvents' ? async () => events.toReversed() : (Reflect.get(target, name) as unknown),
    });
    expect(await rollback(scrambled, PRODUCTION)).toMatchObject({ from: 2, version: 1 });
  });
});

describe('gates of a promotion', () => {
  const failed: GateResult = { gate: 'quality', outcome: 'failed', summary: 'accuracy 0.9 -> 0.1' };
  const passed: GateResult = { gate: 'quality', outcome: 'passed', summary: 'accuracy 0.9 -> 0.9' };

  it('see both versions and the policy with what the caller has others for', async () => {
    const seen: unknown[] = [];
    const runGates: RunGates = async (request) => {
      seen.push(request);
      return [passed];
    };
    await setAliasPolicy(store, PRODUCTION, { gates: { maxDrop: 0.02, parity: 'off' } });
    await promote(store, ref('m:3'), { to: 'production', gates: { maxDrop: 0.5 }, runGates });
    expect(seen).toMatchObject([
      {
        alias: 'production',
        candidate: { version: 3 },
        serving: { version: 2 },
        policy: { maxDrop: 0.5, parity: 'off' },
      },
    ]);
    expect((await history(store, PRODUCTION))[0]).toMatchObject({
      kind: 'alias-moved',
      from: 2,
      to: 3,
      gates: [passed],
    });
    await promote(store, ref('m:3'), { to: 'production', runGates });
    expect(seen).toHaveLength(1);
  });

  it('that fail leave the alias as it was, and are in the history with what they found', async () => {
    const before = await getAlias(store, PRODUCTION);
    const refused = promote(store, ref('m:3'), { to: 'production', by: 'ann', runGates: async () => [failed] });
    await expect(refused).rejects.toMatchObject({ code: 'GATE_FAILED', details: { version: 3, gates: [failed] } });
    expect(await getAlias(store, PRODUCTION)).toEqual(before);
    expect((await history(store, PRODUCTION))[0]).toMatchObject({
      kind: 'gate-failed',
      version: 3,
      by: 'ann',
      gates: [failed],
    });
  });

  it('are not got around by a caller who can run none', async () => {
    for (const gates of [{ quality: 'on' }, { maxDrop: 0.1 }, { maxLatencyRatio: 2 }, { maxMemoryRatio: 2 }] as const) {
      await setAliasPolicy(store, PRODUCTION, { gates });
      const moving = promote(store, ref('m:3'), { to: 'production' });
      await expect(moving).rejects.toMatchObject(CODE('GATE_FAILED'));
      await setAliasPolicy(store, PRODUCTION, { gates: null });
    }
    await setAliasPolicy(store, PRODUCTION, { gates: { quality: 'off', maxDrop: 0.1 } });
    expect(await promote(store, ref('m:3'), { to: 'production' })).toMatchObject({ from: 2, version: 3 });
  });

  it('that ran while somebody changed the alias move nothing', async () => {
    const runGates: RunGates = async () => {
      await store.moveAlias({ model: 'm', alias: 'production', to: 1, by: 'bob' });
      return [passed];
    };
    const late = promote(store, ref('m:3'), { to: 'production', runGates });
    await expect(late).rejects.toMatchObject({ code: 'ALIAS_CONFLICT', details: { moved: { by: 'bob', from: 2 } } });
    expect(await getAlias(store, PRODUCTION)).toMatchObject({ version: 1 });
  });
});
