import { expect, test } from 'vitest';
import { DutyCycle } from '../../../src/cache/index.js';
import { digestOf } from '../../../src/core/index.js';

/** A cycle whose work and whose processors the test tells. */
function cycleOf(busy: number) {
  const told = { busy, spentMs: 1_000 };
  const cycle = new DutyCycle({ busy: () => told.busy, spentMs: () => told.spentMs });
  return { told, cycle };
}

async function tookMs(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return performance.now() - started;
}

/** True if it resolves before any timer could. */
async function isAtOnce(resting: Promise<void>): Promise<boolean> {
  const timer = new Promise<boolean>((resolve) => setImmediate(() => resolve(false)));
  return Promise.race([resting.then(() => true), timer]);
}

test('rests three times as long as was worked while every processor is busy', async () => {
  const { told, cycle } = cycleOf(1);
  told.spentMs += 10;
  // A timer may come a fraction of a millisecond early.
  expect(await tookMs(() => cycle.rest())).toBeGreaterThanOrEqual(29);
});

test('rests in proportion where some are', async () => {
  const { told, cycle } = cycleOf(0.5);
  told.spentMs += 20;
  const started = performance.now();
  const resting = cycle.rest();
  // Nothing more is asked, but the rest for what was done stays.
  told.busy = 0;
  await resting;
  expect(performance.now() - started).toBeGreaterThanOrEqual(29);
});

test('takes no rest where nobody asks, after too little work, or twice for the same', async () => {
  const { told, cycle } = cycleOf(0);
  told.spentMs += 500;
  expect(await isAtOnce(cycle.rest())).toBe(true);
  told.busy = 1;
  told.spentMs += 1;
  expect(await isAtOnce(cycle.rest())).toBe(true);
  told.spentMs += 5;
  expect(await isAtOnce(cycle.rest())).toBe(false);
});

test('counts what several do at the same time together', async () => {
  const { told, cycle } = cycleOf(1);
  const took = await tookMs(async () => {
    told.spentMs += 10;
    const first = cycle.rest();
    told.spentMs += 10;
    await Promise.all([first, cycle.rest()]);
  });
  expect(took).toBeGreaterThanOrEqual(59);
});

test('does not count what was served during the rest', async () => {
  const { told, cycle } = cycleOf(1);
  told.spentMs += 10;
  const resting = cycle.rest();
  told.spentMs += 400;
  await resting;
  expect(await isAtOnce(cycle.rest())).toBe(true);
});

test('ends a rest that is given up, and begins none', async () => {
  const { told, cycle } = cycleOf(1);
  const caller = new AbortController();
  told.spentMs += 20;
  const resting = cycle.rest({ signal: caller.signal });
  caller.abort();
  await expect(resting).rejects.toMatchObject({ code: 'CANCELLED' });
  await expect(cycle.rest({ signal: caller.signal })).rejects.toMatchObject({ code: 'CANCELLED' });
});

test('leaves real work a quarter of a processor', async () => {
  const cycle = new DutyCycle({ busy: () => 1 });
  const block = Buffer.alloc(4 * 1024 * 1024);
  const { user, system } = process.cpuUsage();
  const took = await tookMs(async () => {
    for (let at = 0; at < 20; at++) {
      digestOf(block);
      await cycle.rest();
    }
  });
  const spent = process.cpuUsage({ user, system });
  expect((spent.user + spent.system) / 1_000 / took).toBeLessThan(0.4);
});
