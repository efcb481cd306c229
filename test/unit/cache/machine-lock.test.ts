import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { lockOnMachine } from '../../../src/cache/index.js';
import { Script } from './script.js';

const folder = mkdtempSync(join(tmpdir(), 'modelkeep-lock-'));
afterAll(() => rmSync(folder, { recursive: true }));

const HOLD = `
  const { lockOnMachine } = await ROOM('cache');
  const lock = await lockOnMachine(process.argv[1], process.argv[2]);
  console.log('held');
  process.stdin.resume();
  process.stdin.once('end', async () => { console.log('releasing'); await lock.release(); console.log('released'); });
`;

describe('a lock of the machine', () => {
  it('is had by one process at a time, and handed over when it is released', async () => {
    await using other = new Script(HOLD, [folder, 'released']);
    expect(await other.line()).toBe('held');
    let had = false;
    const waiting = lockOnMachine(folder, 'released').then((lock) => {
      had = true;
      return lock;
    });
    // A lock of another name is free meanwhile, and taking it shows that this one had its chance.
    await (await lockOnMachine(folder, 'another')).release();
    expect(had).toBe(false);
    other.go();
    expect(await other.line()).toBe('releasing');
    await (await waiting).release();
    expect(await other.line()).toBe('released');
  });

  it('goes to the next at once when its holder is killed', async () => {
    await using other = new Script(HOLD, [folder, 'killed']);
    expect(await other.line()).toBe('held');
    const waiting = lockOnMachine(folder, 'killed');
    await other.kill();
    await (await waiting).release();
  });

  it('is had by one caller at a time within a process too', async () => {
    let inside = 0;
    let most = 0;
    const turn = async (): Promise<void> => {
      const lock = await lockOnMachine(folder, 'same');
      inside += 1;
      most = Math.max(most, inside);
      await new Promise((resolve) => setImmediate(resolve));
      inside -= 1;
      await lock.release();
    };
    await Promise.all(Array.from({ length: 20 }, turn));
    expect(most).toBe(1);
  });

  it('is not waited for longer than the caller wants', async () => {
    const lock = await lockOnMachine(folder, 'given up');
    const caller = new AbortController();
    const waiting = lockOnMachine(folder, 'given up', caller.signal);
    caller.abort();
    await expect(waiting).rejects.toMatchObject({ code: 'CANCELLED' });
    await expect(lockOnMachine(folder, 'given up', AbortSignal.abort())).rejects.toMatchObject({ code: 'CANCELLED' });
    await lock.release();
    await (await lockOnMachine(folder, 'given up')).release();
  });

  it('is another one in another folder', async () => {
    const lock = await lockOnMachine(folder, 'x');
    const other = await lockOnMachine(`${folder}/other`, 'x', AbortSignal.timeout(5_000));
    await expect(other.release()).resolves.toBeUndefined();
    await lock.release();
  });
});
