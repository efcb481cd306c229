import { describe, expect, it } from 'vitest';
import type { Segment, VersionRecord } from '../../../src/core/index.js';
import { addedBytes, leastRecentlyUsed, MemoryBudget, type BudgetHolder } from '../../../src/residency/budget.js';

const never = new AbortController().signal;

function version(model: string, size = 100): VersionRecord {
  return { id: model, model, version: 1, size, state: 'ready', publishedAt: new Date(0), metadata: {} };
}

function holder(model: string, lastUsedMs: number, changes: Partial<BudgetHolder> = {}): BudgetHolder {
  return {
    record: version(model),
    bytes: 100,
    leases: 0,
    pinned: false,
    fresh: false,
    ready: true,
    lastUsedMs,
    ...changes,
  };
}

/** A machine whose memory is 50 bytes and what its holders hold. */
class Machine {
  holders: BudgetHolder[] = [];
  readonly evicted: string[] = [];
  readonly waiting: (() => void)[] = [];
  /** What runners keep of versions that were let go, until they are started anew. */
  kept = 0;
  readonly budget: MemoryBudget;

  constructor(maxBytes: number) {
    this.budget = new MemoryBudget({
      maxBytes,
      measure: () => Promise.resolve(50 + this.kept + this.holders.reduce((sum, { record }) => sum + record.size, 0)),
      holders: () => this.holders,
      evict: (id) => {
        this.evicted.push(id);
        this.holders = this.holders.filter(({ record }) => record.id !== id);
        return Promise.resolve();
      },
      renew: () => {
        this.kept = 0;
        return Promise.resolve();
      },
      leaseBack: (signal) =>
        new Promise((resolve, reject) => {
          this.waiting.push(resolve);
          signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
        }),
    });
  }
}

describe('leastRecentlyUsed', () => {
  it('is the ready one that nobody uses and whose last use is longest ago', () => {
    const all = [
      holder('leased', 1, { leases: 1 }),
      holder('pinned', 2, { pinned: true }),
      holder('fresh', 3, { fresh: true }),
      holder('loading', 4, { ready: false }),
      holder('newer', 6),
      holder('older', 5),
    ];
    expect(leastRecentlyUsed(all)?.record.id).toBe('older');
    expect(leastRecentlyUsed(all.slice(0, 4))).toBeUndefined();
  });
});

const segment = (name: string, size: number): Segment => ({ digest: `sha256:${name.repeat(64)}`, size });

describe('addedBytes', () => {
  it('is what no other version maps', () => {
    const [trunk, head, codes] = [segment('a', 400), segment('b', 3), segment('c', 100)];
    expect(addedBytes([trunk, head], [])).toBe(403);
    expect(addedBytes([trunk, head], [{ mapped: [trunk] }])).toBe(3);
    // A version in 8 bits was made from the trunk, and does not map it.
    expect(addedBytes([trunk, head], [{ mapped: [codes, head] }])).toBe(400);
  });
});

describe('MemoryBudget', () => {
  it('lets in what fits and evicts nobody', async () => {
    const machine = new Machine(350);
    machine.holders = [holder('a', 1), holder('b', 2)];
    await machine.budget.admit(version('c'), 100, never);
    expect(machine.evicted).toEqual([]);
  });

  it('counts what is set aside for versions that are still loading', async () => {
    const machine = new Machine(350);
    machine.holders = [holder('a', 1)];
    const first = await machine.budget.admit(version('b'), 100, never);
    const second = await machine.budget.admit(version('c'), 100, never);
    await machine.budget.admit(version('d'), 100, never);
    expect(machine.evicted).toEqual(['a']);
    first.end();
    first.end();
    second.end();
    await machine.budget.admit(version('e'), 200, never);
    expect(machine.evicted).toEqual(['a']);
  });

  it('evicts the least recently used until there is room', async () => {
    const machine = new Machine(350);
    machine.holders = [holder('a', 3), holder('b', 1), holder('c', 2)];
    await machine.budget.admit(version('d'), 200, never);
    expect(machine.evicted).toEqual(['b', 'c']);
  });

  it('waits for a lease to come back rather than taking a version in use', async () => {
    const machine = new Machine(150);
    machine.holders = [holder('a', 1, { leases: 1 })];
    const admitted = machine.budget.admit(version('b'), 100, never);
    await expect.poll(() => machine.waiting.length).toBe(1);
    expect(machine.evicted).toEqual([]);
    machine.holders = [holder('a', 1)];
    machine.waiting[0]!();
    await admitted;
    expect(machine.evicted).toEqual(['a']);
  });

  it('refuses at once what can never fit, before anything is asked', async () => {
    const machine = new Machine(150);
    machine.holders = [holder('a', 1)];
    await expect(machine.budget.admit(version('b'), 151, never)).rejects.toMatchObject({ code: 'OUT_OF_BUDGET' });
    expect(machine.evicted).toEqual([]);
  });

  it('names those who hold the memory when only pinned versions are left', async () => {
    const machine = new Machine(150);
    machine.holders = [holder('a', 1, { pinned: true })];
    const refused = machine.budget.admit(version('b'), 100, never);
    await expect(refused).rejects.toMatchObject({ code: 'OUT_OF_BUDGET', details: { held: ['a:1 (0.0 MB, pinned)'] } });
  });

  it('starts the runners anew where they keep memory that nobody holds', async () => {
    const machine = new Machine(200);
    machine.kept = 100;
    await machine.budget.admit(version('a'), 100, never);
    expect(machine.kept).toBe(0);
  });

  it('serves in the order of asking, and one that gives up does not hold up the next', async () => {
    const machine = new Machine(150);
    machine.holders = [holder('a', 1, { leases: 1 })];
    const giveUp = new AbortController();
    const first = machine.budget.admit(version('b'), 100, giveUp.signal);
    const second = machine.budget.admit(version('c'), 50, never);
    const outcome = first.catch((error: Error) => error.message);
    await expect.poll(() => machine.waiting.length).toBe(1);
    giveUp.abort(new Error('given up'));
    expect(await outcome).toBe('given up');
    machine.holders = [];
    await expect.poll(() => machine.waiting.length).toBeGreaterThanOrEqual(1);
    for (const wake of machine.waiting) wake();
    await second;
    expect(machine.evicted).toEqual([]);
  });
});
