import { once } from 'node:events';
import { expect, it, vi } from 'vitest';
import { openDeadline } from '../../../src/core/index.js';
import { collectGarbage } from '../garbage.js';

it('fires when the time is over, whatever was collected meanwhile', async () => {
  const caller = new AbortController();
  const fired = once(openDeadline(100, caller.signal).signal, 'abort');
  collectGarbage();
  await fired;
  const { signal } = openDeadline(1, undefined);
  await once(signal, 'abort');
  expect(signal.reason).toMatchObject({ code: 'DEADLINE_EXCEEDED', message: expect.stringContaining('within 1 ms') });
});

it('fires with the reason of the caller, who may have given up before', () => {
  const caller = new AbortController();
  const { signal } = openDeadline(0, caller.signal);
  const reason = new Error('enough');
  caller.abort(reason);
  expect([signal.aborted, signal.reason]).toEqual([true, reason]);
  expect(openDeadline(1_000, caller.signal).signal.reason).toBe(reason);
});

it('fires no more once it is cleared', () => {
  vi.useFakeTimers();
  try {
    const caller = new AbortController();
    const deadline = openDeadline(1_000, caller.signal);
    deadline.clear();
    vi.advanceTimersByTime(2_000);
    caller.abort();
    expect(deadline.signal.aborted).toBe(false);
    expect(vi.getTimerCount()).toBe(0);
  } finally {
    vi.useRealTimers();
  }
});

it('has no end without a limit, nor with one that no timer can keep', () => {
  expect(openDeadline(0, undefined).deadlineMs).toBe(Number.POSITIVE_INFINITY);
  vi.useFakeTimers();
  try {
    expect(openDeadline(2 ** 31, undefined).signal.aborted).toBe(false);
    expect(vi.getTimerCount()).toBe(0);
  } finally {
    vi.useRealTimers();
  }
});

it.each([-1, Number.NaN, Number.POSITIVE_INFINITY])('refuses a limit of %s', (timeoutMs) => {
  expect(() => openDeadline(timeoutMs, undefined)).toThrow(
    expect.objectContaining({ code: 'INVALID_INPUT', message: expect.stringContaining(String(timeoutMs)) }),
  );
});
