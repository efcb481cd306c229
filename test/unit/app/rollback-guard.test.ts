import { EventEmitter } from 'node:events';
import { beforeEach, describe, expect, it } from 'vitest';
import { history, promote, rollback, setAliasPolicy, setAliasTraffic } from '../../../src/registry/index.js';
import { RollbackGuard } from '../../../src/app/rollback-guard.js';
import { ModelkeepError, parseReference, type ErrorCode, type VersionStore } from '../../../src/core/index.js';
import type { Followed, Follower, FollowerEvents } from '../../../src/residency/index.js';
import type { InferenceServiceEvents } from '../../../src/serving/index.js';
import { openMemoryStore } from '../../../src/stores/memory/open.js';
import { freshContents } from '../../../src/testing/index.js';

const TEXT = 'm@production';
const PRODUCTION = parseReference(TEXT);
const POLICY = { withinMs: 60_000, maxErrorRate: 0.1, maxP95Ms: 50, minRequests: 10 };

let store: VersionStore;
let nowMs: number;
let follower: EventEmitter<FollowerEvents> & Pick<Follower, 'current'>;
let service: EventEmitter<InferenceServiceEvents>;
let guard: RollbackGuard;
let told: string[];

/** What a follower holds of the alias as it is in the store now. */
async function followed(): Promise<Followed> {
  const [alias] = await store.listAliases({ model: 'm' });
  const get = (version: number) => store.resolve({ model: 'm', selector: { kind: 'version', version } });
  if (alias === undefined) throw new Error('There is no alias');
  const { traffic } = alias;
  const shares = traffic?.kind === 'split' ? traffic.shares : undefined;
  return {
    reference: PRODUCTION,
    text: TEXT,
    record: await get(alias.version),
    since: new Date(),
    alias,
    ...(shares === undefined
      ? {}
      : {
          shares: await Promise.all(
            shares.map(async ({ version, percent }) => ({ record: await get(version), percent })),
          ),
        }),
  };
}

let current: Followed;

beforeEach(async () => {
  store = await openMemoryStore();
  for (let version = 1; version <= 3; version++) {
    const { manifest, source } = freshContents();
    await store.publish({ model: 'm', manifest }, source);
  }
  await promote(store, parseReference('m:1'), { to: 'production' });
  await setAliasPolicy(store, PRODUCTION, { autoRollback: POLICY });
  await promote(store, parseReference('m:2'), { to: 'production' });
  nowMs = 0;
  current = await followed();
  follower = Object.assign(new EventEmitter<FollowerEvents>(), { current: () => current });
  service = new EventEmitter();
  guard = new RollbackGuard({ store, follower: follower as Follower, service, node: 'node-1', now: () => nowMs });
  told = [];
  guard.on('rolled-back', (reference, from, why) => told.push(`${reference} from ${from.version}: ${why}`));
  guard.on('failed', (_reference, error) => told.push(error.code));
});

const swapped = (): void => void follower.emit('swapped', TEXT, current.record, current.record, 1);

/** Requests of a version: some answered, some failed. */
function requests(
  count: number,
  options: { readonly code?: ErrorCode; readonly ms?: number; readonly of?: Followed['record'] } = {},
): void {
  const { code, ms = 1, of = current.record } = options;
  for (let at = 0; at < count; at += 1) {
    const error = code === undefined ? {} : { error: new ModelkeepError(code, 'no answer') };
    service.emit('request', { reference: TEXT, record: of, durationMs: ms, ...error });
  }
}

/** Where the alias points once the guard has done what it was about to. */
async function pointsAt(): Promise<number> {
  await guard.close();
  return (await store.listAliases())[0]!.version;
}

describe('a promoted version', () => {
  it('that fails too often is moved back from, and the history says by whom and why', async () => {
    swapped();
    requests(8);
    requests(2, { code: 'INTERNAL' });
    // 2 of 12 are more than a tenth, 2 of 20 are not.
    requests(1, { code: 'RUNNER_CRASHED' });
    expect(await pointsAt()).toBe(1);
    expect(told).toEqual([
      expect.stringMatching(/^m@production from 2: 2\d\.\d % of the latest 1\d requests of m:2 failed/),
    ]);
    expect((await history(store, PRODUCTION))[0]).toMatchObject({
      kind: 'alias-moved',
      from: 2,
      to: 1,
      action: 'automatic-rollback',
      by: 'node-1',
      message: expect.stringContaining('10.0 % are allowed'),
    });
  });

  it('that is too slow is moved back from', async () => {
    swapped();
    requests(100, { ms: 49 });
    requests(5, { ms: 51 });
    expect((await store.listAliases())[0]?.version).toBe(2);
    requests(1, { ms: 51 });
    expect(await pointsAt()).toBe(1);
  });

  it('that ends its runners is moved back from at once', async () => {
    swapped();
    follower.emit('fell-back', TEXT, current.record, current.record);
    expect(await pointsAt()).toBe(1);
  });

  it('that turns bad after many good answers is noticed: only the latest count', async () => {
    swapped();
    requests(10_000);
    requests(21, { code: 'INTERNAL' });
    expect(await pointsAt()).toBe(1);
  });

  const stays: readonly (readonly [string, () => void | Promise<void>])[] = [
    ['with too few requests to judge', () => requests(9, { code: 'INTERNAL' })],
    ['with as many failures as are allowed', () => (requests(18), requests(2, { code: 'INTERNAL' }))],
    ['whose callers are wrong', () => requests(50, { code: 'INVALID_INPUT' })],
    [
      'whose callers gave up, or are too many',
      () => (requests(50, { code: 'CANCELLED' }), requests(50, { code: 'OVERLOADED' })),
    ],
    ['when its time is over', () => ((nowMs = 60_000), requests(50, { code: 'INTERNAL' }))],
    [
      'when another version fails',
      async () => requests(50, { code: 'INTERNAL', of: await store.resolve(parseReference('m:3')) }),
    ],
  ];
  it.each(stays)('stays %s', async (_why, happen) => {
    swapped();
    await happen();
    expect(await pointsAt()).toBe(2);
    expect(told).toEqual([]);
  });

  it('is not watched where the alias was rolled back: going back never goes forth again', async () => {
    await rollback(store, PRODUCTION);
    current = await followed();
    swapped();
    requests(50, { code: 'INTERNAL' });
    expect(await pointsAt()).toBe(1);
  });

  it('is not moved back from what somebody else has moved meanwhile', async () => {
    swapped();
    await promote(store, parseReference('m:3'), { to: 'production', by: 'ann' });
    requests(50, { code: 'INTERNAL' });
    expect(await pointsAt()).toBe(3);
    expect(told).toEqual([]);
  });

  it('is tried again to be moved back from when the store was away', async () => {
    let away = true;
    const flaky: VersionStore = new Proxy(store, {
      get: (target, name) =>
        name === 'moveAlias' && away
          ? async () => Promise.reject(new ModelkeepError('STORE_UNAVAILABLE', 'away'))
          : (Reflect.get(target, name) as unknown),
    });
    await guard.close();
    guard = new RollbackGuard({
      store: flaky,
      follower: follower as Follower,
      service,
      node: 'node-1',
      now: () => nowMs,
    });
    const failed = new Promise((resolve) => guard.once('failed', (_text, error) => resolve(error.code)));
    swapped();
    requests(10, { code: 'INTERNAL' });
    expect(await failed).toBe('STORE_UNAVAILABLE');
    away = false;
    requests(1, { code: 'INTERNAL' });
    expect(await pointsAt()).toBe(1);
  });
});

describe('a node that starts in the middle', () => {
  it('watches for the rest of the time, and by a clock that jumps never longer than the policy says', async () => {
    const { alias } = current;
    const opened = (at: Date): void =>
      void follower.emit('opened', { ...current, alias: { ...alias!, moved: { ...alias!.moved, at } } });
    opened(new Date(Date.now() - 60_001));
    requests(20, { code: 'INTERNAL' });
    opened(new Date(Date.now() + 3_600_000));
    nowMs = 60_000;
    requests(20, { code: 'INTERNAL' });
    expect((await store.listAliases())[0]?.version).toBe(2);
    nowMs = 0;
    opened(new Date(Date.now() - 30_000));
    requests(10, { code: 'INTERNAL' });
    expect(await pointsAt()).toBe(1);
  });
});

describe('a version that got a share', () => {
  it('loses it when it fails, and the alias stays', async () => {
    await setAliasTraffic(store, PRODUCTION, {
      kind: 'split',
      shares: [
        { version: 2, percent: 90 },
        { version: 3, percent: 10 },
      ],
    });
    current = await followed();
    follower.emit('traffic', current);
    requests(50, { code: 'INTERNAL' });
    expect((await store.listAliases())[0]?.traffic).toBeDefined();
    requests(10, { code: 'INTERNAL', of: current.shares![1]!.record });
    expect(await pointsAt()).toBe(2);
    expect((await store.listAliases())[0]?.traffic).toBeUndefined();
  });

  it('leaves nothing watched behind when the split ends: the alias’s own version has proved itself long ago', async () => {
    const shares = [
      { version: 2, percent: 90 },
      { version: 3, percent: 10 },
    ];
    await setAliasTraffic(store, PRODUCTION, { kind: 'split', shares });
    current = await followed();
    follower.emit('traffic', current);
    await setAliasTraffic(store, PRODUCTION, null);
    current = await followed();
    follower.emit('traffic', current);
    requests(50, { code: 'INTERNAL' });
    expect(await pointsAt()).toBe(2);
  });
});
