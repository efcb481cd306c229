import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { openMemoryStore } from '../../../src/stores/memory/open.js';
import { StoreLease } from '../../../src/webhooks/lease.js';

const NAME = { kind: 'lease', key: 'test' };

beforeEach(() => void vi.useFakeTimers({ toFake: ['performance', 'Date'] }));
afterEach(() => void vi.useRealTimers());

test('one holds it, until it was silent for its term by the clock of the other', async () => {
  await using store = await openMemoryStore();
  const [one, two] = [new StoreLease(store, NAME, 'one', 900), new StoreLease(store, NAME, 'two', 900)];
  expect(await one.hold()).toBe(true);
  expect(await two.hold()).toBe(false);
  vi.advanceTimersByTime(500);
  expect(await one.hold()).toBe(true);
  vi.advanceTimersByTime(500);
  // Renewed 500 ms ago, and seen so just now: the term begins anew.
  expect(await two.hold()).toBe(false);
  vi.advanceTimersByTime(700);
  expect([one.held, await two.hold()]).toEqual([false, false]);
  vi.advanceTimersByTime(300);
  expect(await two.hold()).toBe(true);
  expect([await one.hold(), one.held, two.held]).toEqual([false, false, true]);
});

test('a clock that jumps moves nothing', async () => {
  await using store = await openMemoryStore();
  const [one, two] = [new StoreLease(store, NAME, 'one', 900), new StoreLease(store, NAME, 'two', 900)];
  await one.hold();
  await two.hold();
  for (const year of ['2000', '2099']) {
    vi.setSystemTime(new Date(`${year}-01-01`));
    expect([one.held, await two.hold()]).toEqual([true, false]);
  }
});

test('what is given back is free at once, and only its holder gives it back', async () => {
  await using store = await openMemoryStore();
  const [one, two] = [new StoreLease(store, NAME, 'one', 900), new StoreLease(store, NAME, 'two', 900)];
  await one.hold();
  await two.release();
  expect(await two.hold()).toBe(false);
  await one.release();
  expect([one.held, await two.hold(), await one.hold()]).toEqual([false, true, false]);
});

test('has one winner where several take it at once', async () => {
  await using store = await openMemoryStore();
  const leases = ['a', 'b', 'c', 'd'].map((holder) => new StoreLease(store, NAME, holder, 900));
  const held = await Promise.all(leases.map((lease) => lease.hold()));
  expect(held.filter(Boolean)).toHaveLength(1);
});
