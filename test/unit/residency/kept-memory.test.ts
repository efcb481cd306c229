import { expect, test } from 'vitest';
import { KeptMemory } from '../../../src/residency/kept-memory.js';
import type { Runner } from '../../../src/runners/index.js';

const runner = { pid: 1 } as Runner;

/** A process whose memory the test sets. */
function processOf(bytes: number | undefined): { bytes: number | undefined; readonly kept: KeptMemory } {
  const memory = { bytes };
  return Object.assign(memory, { kept: new KeptMemory(() => Promise.resolve(memory.bytes)) });
}

test('what a version brought is not kept while it is there, and is when it has left and the memory has not', async () => {
  const process = processOf(100);
  const load = (id: string, bytes: number): Promise<string> =>
    process.kept.around(runner, id, async () => {
      process.bytes = (process.bytes ?? 0) + bytes;
      return id;
    });
  expect(await process.kept.of(runner)).toBe(0);
  expect(await load('a', 40)).toBe('a');
  await load('b', 60);
  expect(await process.kept.of(runner)).toBe(0);
  process.kept.left(runner, 'b');
  expect(await process.kept.of(runner)).toBe(60);
  process.bytes = 150;
  expect(await process.kept.of(runner)).toBe(10);
  process.bytes = 120;
  expect(await process.kept.of(runner)).toBe(0);
});

test('nothing is kept where the system does not tell, and a load that fails brings nothing', async () => {
  const silent = processOf(undefined);
  expect(await silent.kept.around(runner, 'a', () => Promise.resolve(1))).toBe(1);
  expect(await silent.kept.of(runner)).toBe(0);
  const process = processOf(100);
  await expect(process.kept.around(runner, 'a', () => Promise.reject(new Error('no')))).rejects.toThrow('no');
  expect(await process.kept.of(runner)).toBe(0);
});
