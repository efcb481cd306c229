import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatBytes, parseBytes } from '../../../src/app/index.js';

describe('bytes as text', () => {
  it.each([
    ['0', 0],
    ['1500', 1_500],
    ['1500 b', 1_500],
    ['1kB', 1_000],
    ['600MB', 600_000_000],
    ['2 gb', 2_000_000_000],
    ['1.5GB', 1_500_000_000],
    ['3TB', 3_000_000_000_000],
    ['1KiB', 1_024],
    ['64MiB', 67_108_864],
    ['2GiB', 2_147_483_648],
    ['1TiB', 1_099_511_627_776],
    [' 12 MB ', 12_000_000],
    ['0.1KB', 100],
  ])('%j are %i', (text, bytes) => {
    expect(parseBytes(text)).toBe(bytes);
  });

  it.each([
    '',
    ' ',
    'MB',
    '-1',
    '1e3',
    '1,5GB',
    '.5GB',
    '5.',
    '12 apples',
    '1 K',
    '0x10',
    'NaN',
    '9999999TB',
    '1 MB 2',
  ])('%j are refused', (text) => {
    expect(() => parseBytes(text)).toThrow(expect.objectContaining({ name: 'ModelkeepError', code: 'INVALID_INPUT' }));
  });
});

describe('bytes for people', () => {
  it.each([
    [0, '0 B'],
    [999, '999 B'],
    [1_000, '1.00 kB'],
    [1_234, '1.23 kB'],
    [999_499, '999 kB'],
    [999_500, '1.00 MB'],
    [4_797_360, '4.80 MB'],
    [438_000_000, '438 MB'],
    [999_999_999, '1.00 GB'],
    [20_000_000_000, '20.0 GB'],
    [3_000_000_000_000, '3.00 TB'],
    [123_000_000_000_000, '123 TB'],
  ])('%i are %j', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });

  it('say what they were within half a percent, and in few letters', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 999_000_000_000_000 }), (bytes) => {
        const text = formatBytes(bytes);
        expect(text).toMatch(/^[0-9.]{1,4} (B|kB|MB|GB|TB)$/);
        expect(Math.abs(parseBytes(text) - bytes)).toBeLessThanOrEqual(0.005 * bytes);
      }),
      { numRuns: 500 },
    );
  });
});
