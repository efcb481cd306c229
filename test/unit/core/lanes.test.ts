import { expect, test } from 'vitest';
import { inLanes } from '../../../src/core/index.js';

/** A promise, and what resolves it. */
function gate() {
  const ends: (() => void)[] = [];
  const opened = new Promise<void>((resolve) => ends.push(resolve));
  return { opened, open: () => ends.forEach((end) => end()) };
}

test('gives results in the order of the items, with so many under way at the most', async () => {
  let [under, most] = [0, 0];
  const gates = [gate(), gate(), gate(), gate(), gate()];
  const all = inLanes(2, gates, async ({ opened }, index) => {
    under += 1;
    most = Math.max(most, under);
    await opened;
    under -= 1;
    return index * 10;
  });
  for (const { open } of gates.toReversed()) open();
  expect(await all).toEqual([0, 10, 20, 30, 40]);
  expect(most).toBe(2);
});

test('begins nothing after a failure, and throws it when all has ended', async () => {
  const begun: number[] = [];
  const slow = gate();
  let slowEnded = false;
  const all = inLanes(2, [0, 1, 2, 3], async (item) => {
    begun.push(item);
    if (item === 1) {
      setImmediate(slow.open);
      throw new Error('the second');
    }
    await slow.opened;
    slowEnded = true;
  });
  await expect(all).rejects.toThrow('the second');
  expect(begun).toEqual([0, 1]);
  expect(slowEnded).toBe(true);
});

test('does nothing for no items', async () => {
  expect(await inLanes(3, [], () => Promise.reject(new Error('never')))).toEqual([]);
});
