import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BATCH_LIMITS, groupByLength } from '../../../src/runners/onnx/batches.js';

const lengthsArbitrary = fc.array(fc.integer({ min: 1, max: 600 }), { maxLength: 120 });
const limitsArbitrary = fc.record({
  maxTokens: fc.integer({ min: 1, max: 8_192 }),
  maxPadding: fc.double({ min: 0, max: 1, noNaN: true }),
});

describe('sequences grouped by length', () => {
  it('by default hold at most 4096 tokens and 10 % of padding', () => {
    expect(BATCH_LIMITS).toEqual({ maxTokens: 4_096, maxPadding: 0.1 });
  });

  it('are each in exactly one batch, padded to the longest of it, within both bounds', () => {
    fc.assert(
      fc.property(lengthsArbitrary, limitsArbitrary, (lengths, limits) => {
        const batches = groupByLength(lengths, limits);
        const seen = batches.flatMap(({ indexes }) => indexes).toSorted((a, b) => a - b);
        expect(seen).toEqual(lengths.map((_, index) => index));
        for (const { indexes, length } of batches) {
          const own = indexes.map((index) => lengths[index] ?? 0);
          expect(length).toBe(Math.max(...own));
          const padded = length * own.length;
          const tokens = own.reduce((sum, one) => sum + one, 0);
          expect(1 - tokens / padded).toBeLessThanOrEqual(limits.maxPadding);
          // One sequence that is longer than the bound runs alone.
          expect(own.length === 1 || padded <= limits.maxTokens).toBe(true);
        }
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

  it('run apart where padding them would cost more than the bound', () => {
    expect(groupByLength([100, 10, 100, 10])).toEqual([
      { indexes: [1, 3], length: 10 },
      { indexes: [0, 2], length: 100 },
    ]);
  });

  it('are split where they hold too many tokens', () => {
    expect(groupByLength(Array.from({ length: 9 }, () => 512)).map(({ indexes }) => indexes.length)).toEqual([8, 1]);
  });
});
