import { describe, expect, it } from 'vitest';
import type { VersionRecord } from '../../../src/core/index.js';
import { nextState, Resident, RESIDENCY_STATES, type Transition } from '../../../src/residency/index.js';

/** Every row and column of the table, written out: `x` where the state on the left may be followed by the one above. */
const TABLE = `
             absent fetching loading warming ready draining failed
  absent     .      x        .       .       .     .        .
  fetching   x      .        x       .       .     .        x
  loading    x      .        .       x       .     .        x
  warming    x      .        .       .       x     .        x
  ready      .      .        .       .       .     x        .
  draining   x      .        .       .       x     .        .
  failed     x      x        .       .       .     .        .
`;

const [heads = [], ...rows] = TABLE.trim()
  .split('\n')
  .map((line) => line.trim().split(/\s+/));
const cells = rows.flatMap(([from = '', ...marks]) => marks.map((mark, i) => ({ from, to: heads[i] ?? '', mark })));

const record: VersionRecord = {
  id: '0123456789abcdef01234567',
  model: 'sentiment',
  version: 1,
  size: 1,
  state: 'ready',
  publishedAt: new Date(0),
  metadata: {},
};

/** The legal steps that lead to a state from `absent`. */
const WAY: Readonly<Record<string, readonly (typeof RESIDENCY_STATES)[number][]>> = {
  absent: [],
  fetching: ['fetching'],
  loading: ['fetching', 'loading'],
  warming: ['fetching', 'loading', 'warming'],
  ready: ['fetching', 'loading', 'warming', 'ready'],
  draining: ['fetching', 'loading', 'warming', 'ready', 'draining'],
  failed: ['fetching', 'failed'],
};

describe('the states of a version on a node', () => {
  it('are those of the table', () => {
    expect(heads).toEqual([...RESIDENCY_STATES]);
    expect(rows.map(([from]) => from)).toEqual([...RESIDENCY_STATES]);
    expect(cells).toHaveLength(49);
  });

  it.each(cells.filter(({ mark }) => mark === 'x'))('go from $from to $to', ({ from, to }) => {
    expect(nextState(from as never, to as never)).toBe(to);
  });

  it.each(cells.filter(({ mark }) => mark === '.'))('do not go from $from to $to', ({ from, to }) => {
    expect(() => nextState(from as never, to as never)).toThrow(expect.objectContaining({ code: 'INTERNAL' }));
  });

  it.each(cells.filter(({ mark }) => mark === '.'))(
    'stay $from, and tell nothing, when $to is asked for',
    ({ from, to }) => {
      const told: Transition[] = [];
      const resident = new Resident(record, {
        onTransition: (transition) => told.push(transition),
        onLeaseBack: () => undefined,
      });
      for (const state of WAY[from] ?? []) resident.enter(state);
      const before = told.length;
      expect(() => resident.enter(to as never)).toThrow(expect.objectContaining({ code: 'INTERNAL' }));
      expect(resident.state).toBe(from);
      expect(told).toHaveLength(before);
    },
  );

  it('are told with the version, both states, and the error of a failure', () => {
    const told: Transition[] = [];
    const resident = new Resident(record, {
      onTransition: (transition) => told.push(transition),
      onLeaseBack: () => undefined,
    });
    const error = new Error('no');
    resident.enter('fetching');
    resident.enter('failed', error);
    expect(told.map(({ from, to }) => [from, to])).toEqual([
      ['absent', 'fetching'],
      ['fetching', 'failed'],
    ]);
    expect(told[0]).not.toHaveProperty('error');
    expect(told[1]).toMatchObject({ record, error });
    expect(told.every(({ durationMs }) => durationMs >= 0)).toBe(true);
  });
});

describe('the leases of a version', () => {
  it('keep it from being idle until the last is back, each counted once', async () => {
    const resident = new Resident(record, { onTransition: () => undefined, onLeaseBack: () => undefined });
    const first = resident.lease();
    const second = resident.lease();
    let idle = 0;
    const waits = [resident.idle(), resident.idle()].map((wait) => wait.then(() => (idle += 1)));
    first.release();
    first.release();
    await Promise.resolve();
    expect(resident.leases).toBe(1);
    expect(idle).toBe(0);
    second.release();
    await Promise.all(waits);
    expect(resident.leases).toBe(0);
    expect(idle).toBe(2);
  });

  it('are idle at once where none is out', async () => {
    const resident = new Resident(record, { onTransition: () => undefined, onLeaseBack: () => undefined });
    await expect(resident.idle()).resolves.toBeUndefined();
  });
});
