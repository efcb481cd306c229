import { describe, expect, it } from 'vitest';
import { ModelkeepError } from '../../../src/core/index.js';
import { Backoff } from '../../../src/residency/backoff.js';

const broken = new ModelkeepError('LOAD_FAILED', 'It is broken', { details: { file: 'a' } });

/** How long the same failure is answered without a try, in ms, by moving the clock until it lets one through. */
function pauseOf(backoff: Backoff, clock: { nowMs: number }): number {
  const startMs = clock.nowMs;
  for (;;) {
    try {
      backoff.check();
      return clock.nowMs - startMs;
    } catch {
      clock.nowMs += 500;
    }
  }
}

describe('the back-off after a failure', () => {
  it('lets the first try through', () => {
    expect(() => new Backoff(() => 0).check()).not.toThrow();
  });

  it('answers with the same code and facts while its time lasts', () => {
    const clock = { nowMs: 5_000 };
    const backoff = new Backoff(() => clock.nowMs);
    backoff.fail(broken);
    clock.nowMs += 999;
    expect(() => backoff.check()).toThrow(
      expect.objectContaining({ code: 'LOAD_FAILED', details: { file: 'a' }, cause: broken }),
    );
    clock.nowMs += 1;
    expect(() => backoff.check()).not.toThrow();
  });

  it('lasts 1 s, then twice as long each time, at most 60 s', () => {
    const clock = { nowMs: 0 };
    const backoff = new Backoff(() => clock.nowMs);
    const pauses = Array.from({ length: 9 }, () => {
      backoff.fail(broken);
      return pauseOf(backoff, clock);
    });
    expect(pauses).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000]);
  });
});
