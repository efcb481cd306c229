import { describe, expect, it } from 'vitest';
import { parseReference, type VersionRecord } from '../../../src/core/index.js';
import type { Followed } from '../../../src/residency/index.js';
import { chooseRecord, MAX_KEY_LENGTH, pointOfKey } from '../../../src/serving/index.js';

const version = (number: number): VersionRecord => ({
  id: String(number),
  model: 'm',
  version: number,
  size: 1,
  state: 'ready',
  publishedAt: new Date(0),
  metadata: {},
});
const TEXT = 'm@production';

function split(...shares: readonly (readonly [number, number])[]): Followed {
  const [first = [1, 100]] = shares;
  return {
    reference: parseReference(TEXT),
    text: TEXT,
    record: version(first[0]),
    since: new Date(0),
    shares: shares.map(([number, percent]) => ({ record: version(number), percent })),
  };
}

const chosen = (followed: Followed, key?: string): number => chooseRecord(followed, key).version;
const KEYS = Array.from({ length: 20_000 }, (_, at) => `user-${at}`);

/** Largest distance of a binomial count from its mean that chance gives less than once in a billion (6 sigma). */
const within = (n: number, p: number): number => 6 * Math.sqrt(n * p * (1 - p));

describe('a split', () => {
  it('gives each version its share of many keys, within the bounds of chance', () => {
    const shares = [
      [3, 90],
      [4, 9.5],
      [5, 0.5],
    ] as const;
    for (const [number, percent] of shares) {
      const count = KEYS.filter((key) => chosen(split(...shares), key) === number).length;
      const expected = (KEYS.length * percent) / 100;
      expect(Math.abs(count - expected)).toBeLessThan(within(KEYS.length, percent / 100));
    }
  });

  it('does the same without keys', () => {
    const followed = split([3, 70], [4, 30]);
    const count = KEYS.filter(() => chosen(followed) === 4).length;
    expect(Math.abs(count - 0.3 * KEYS.length)).toBeLessThan(within(KEYS.length, 0.3));
  });

  it('gives the same key the same version, and moves none back when the share of the new one is raised', () => {
    const few = split([3, 90], [4, 10]);
    const more = split([3, 60], [4, 40]);
    const keys = KEYS.slice(0, 2_000);
    const first = keys.map((key) => chosen(few, key));
    expect(keys.map((key) => chosen(few, key))).toEqual(first);
    const early = keys.filter((_, at) => first[at] === 4);
    expect(early.length).toBeGreaterThan(100);
    expect(early.filter((key) => chosen(more, key) !== 4)).toEqual([]);
  });

  it('puts a key at a place that is the same on every node and release', () => {
    expect(pointOfKey(TEXT, 'user-1')).toBeCloseTo(51.6106, 3);
    expect(pointOfKey(TEXT, 'user-2')).not.toBe(pointOfKey('m@staging', 'user-2'));
  });

  it('is nothing to an alias that is not split, but for a key that is too long', () => {
    const { shares: _, ...alone } = split([3, 100]);
    expect(chosen(alone, 'a')).toBe(3);
    const long = 'x'.repeat(MAX_KEY_LENGTH + 1);
    expect(() => chosen(alone, long)).toThrow(expect.objectContaining({ code: 'INVALID_INPUT' }));
  });
});
