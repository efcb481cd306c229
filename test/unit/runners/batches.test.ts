import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BATCH_LIMITS, groupByLength } from '../../../src/runners/onnx/batches.js';

const lengthsArbitrary = fc.array(fc.integer({ min: 1, max: 600 }), { maxLength: 120 });

/** What a grouping costs: each run as much as 15 tokens more than it holds, padding included. */
function costOf(batches: ReturnType<typeof groupByLength>): number {
  return batches.reduce((sum, { indexes, length }) => sum + 15 + indexes.length * length, 0);
}

describe('sequences grouped by length', () => {
  it('by default hold at most 256 tokens', () => {
    expect(BATCH_LIMITS).toEqual({ maxTokens: 256 });
  });

  it('are each in exactly one batch, padded to the longest of it, within the bound', () => {
    fc.assert(
      fc.property(lengthsArbitrary, fc.integer({ min: 1, max: 8_192 }), (lengths, maxTokens) => {
        const batches = groupByLength(lengths, { maxTokens });
        const seen = batches.flatMap(({ indexes }) => indexes).toSorted((a, b) => a - b);
        expect(seen).toEqual(lengths.map((_, index) => index));
        for (const { indexes, length } of batches) {
          const own = indexes.map((index) => lengths[index] ?? 0);
          expect(length).toBe(Math.max(...own));
          // One sequence that is longer than the bound runs alone.
          expect(own.length === 1 || length * own.length <= maxTokens).toBe(true);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('cost no more than one by one, nor than all of them together', () => {
    fc.assert(
      fc.property(lengthsArbitrary, (lengths) => {
        const cost = costOf(groupByLength(lengths, { maxTokens: 100_000 }));
        const alone = lengths.reduce((sum, length) => sum + 15 + length, 0);
        expect(cost).toBeLessThanOrEqual(alone);
        expect(cost).toBeLessThanOrEqual(15 + lengths.length * Math.max(0, ...lengths));
      }),
      { numRuns: 500 },
    );
  });

  it('are one batch where they are of one length and fit', () => {
    expect(groupByLength([16, 16, 16, 16])).toEqual([{ indexes: [0, 1, 2, 3], length: 16 }]);
  });

  it('are no batch where there is none', () => {
    expect(groupByLength([])).toEqual([]);
  });

  it('run apart where padding them would cost more than a run', () => {
    expect(groupByLength([100, 10, 100, 10])).toEqual([
      { indexes: [1, 3], length: 10 },
      { indexes: [0, 2], length: 100 },
    ]);
  });

  it('run together where padding them costs less than a run', () => {
    expect(groupByLength([23, 9])).toEqual([{ indexes: [1, 0], length: 23 }]);
    expect(groupByLength([25, 9]).map(({ indexes }) => indexes)).toEqual([[1], [0]]);
  });

  it('run together at larger differences where the graph skips padding but in attention', () => {
    expect(groupByLength([60, 10, 60, 10], BATCH_LIMITS, { skipsPadding: true })).toEqual([
      { indexes: [1, 3, 0, 2], length: 60 },
    ]);
    // Beside one of 200 tokens one of 10 costs as much as 33 more.
    expect(groupByLength([200, 10], BATCH_LIMITS, { skipsPadding: true }).map(({ indexes }) => indexes)).toEqual([
      [1],
      [0],
    ]);
  });

  it('are split where they hold too many tokens', () => {
    expect(groupByLength(Array.from({ length: 5 }, () => 128)).map(({ indexes }) => indexes.length)).toEqual([2, 2, 1]);
  });
});
