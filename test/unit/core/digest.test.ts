import { expect, test } from 'vitest';
import { createDigester, digestOf, isDigest, shortDigest } from '../../../src/core/index.js';

// The empty string's SHA-256 is a published test vector (FIPS 180-4 examples).
const EMPTY = 'sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

test('the digest of nothing is the published one', () => {
  expect(digestOf('')).toBe(EMPTY);
  expect(shortDigest(EMPTY)).toBe('e3b0c44298fc');
});

test('a digester gives the digest of all bytes, however they are cut', () => {
  const digester = createDigester();
  for (const part of ['mod', '', 'elkeep']) digester.update(Buffer.from(part));
  expect(digester.size).toBe(9);
  expect(digester.finish()).toBe(digestOf('modelkeep'));
});

test.each([
  '',
  'sha256:',
  EMPTY.toUpperCase(),
  `${EMPTY}0`,
  EMPTY.slice(0, -1),
  'md5:d41d8cd98f00b204e9800998ecf8427e',
])('%j is no digest', (text) => expect(isDigest(text)).toBe(false));
