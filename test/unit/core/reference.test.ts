import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  checkAliasName,
  checkModelName,
  digestMatches,
  digestOf,
  formatReference,
  isModelName,
  MAX_NAME_LENGTH,
  MAX_VERSION,
  MIN_DIGEST_PREFIX,
  ModelkeepError,
  parseReference,
  type Reference,
  type Selector,
} from '../../../src/core/index.js';

const part = fc.stringMatching(/^[a-z0-9][a-z0-9._-]{0,30}$/);
const model = fc.array(part, { minLength: 1, maxLength: 5 }).map((parts) => parts.join('/'));
const alias = part.filter((name) => name !== 'latest');
const hex = fc.stringMatching(/^[0-9a-f]{8,64}$/);
const selector: fc.Arbitrary<Selector> = fc.oneof(
  fc.constant({ kind: 'latest' } as const),
  fc.integer({ min: 1, max: MAX_VERSION }).map((version) => ({ kind: 'version', version }) as const),
  alias.map((name) => ({ kind: 'alias', alias: name }) as const),
  hex.map((digits) => ({ kind: 'digest', digest: `sha256:${digits}` }) as const),
);
const reference: fc.Arbitrary<Reference> = fc.record({ model, selector });

/** What `work` gives, or the code with which it refuses; any other error is thrown on. */
function outcome<T>(work: () => T): T | 'INVALID_REFERENCE' {
  try {
    return work();
  } catch (error) {
    if (error instanceof ModelkeepError && error.code === 'INVALID_REFERENCE') return error.code;
    throw error;
  }
}

function thrown(work: () => unknown): unknown {
  try {
    return work();
  } catch (error) {
    return error;
  }
}

const hostile = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 300 }),
  fc.string({ unit: 'grapheme', maxLength: 300 }),
  fc.string({ unit: fc.constantFrom('a', '0', '.', '-', '_', '/', ':', '@', 's', '\0', ' ', 'A'), maxLength: 60 }),
  fc.string({ unit: fc.constantFrom('a', '/', '@', ':', '1'), minLength: 10_000, maxLength: 10_000 }),
);

describe('a reference', () => {
  it('comes back from its text form', () => {
    fc.assert(
      fc.property(reference, (given) => {
        expect(parseReference(formatReference(given))).toEqual(given);
      }),
      { numRuns: 2_000 },
    );
  });

  it('is what any text is, or the text is refused with INVALID_REFERENCE', () => {
    fc.assert(
      fc.property(hostile, (text) => {
        const parsed = outcome(() => parseReference(text));
        if (parsed === 'INVALID_REFERENCE') return;
        expect(isModelName(parsed.model)).toBe(true);
        // `name@latest` is the long form of `name`; every other text is the form of what it means.
        expect([formatReference(parsed), `${parsed.model}@latest`]).toContain(text);
      }),
      { numRuns: 5_000 },
    );
  });

  it('does not survive a damaging character', () => {
    const bad = fc.constantFrom('\0', '\n', ' ', '\\', '"', '<', '%', 'É', '😀', '\ud800', 'Z', '..//');
    fc.assert(
      fc.property(reference, bad, fc.nat(), (given, damage, at) => {
        const text = formatReference(given);
        const cut = at % (text.length + 1);
        expect(outcome(() => parseReference(text.slice(0, cut) + damage + text.slice(cut)))).toBe('INVALID_REFERENCE');
      }),
      { numRuns: 2_000 },
    );
  });

  it.each([
    '',
    '/',
    'a/',
    '/a',
    'a//b',
    '.a',
    '-a',
    'a:',
    'a:0',
    'a:01',
    'a:-1',
    'a:1.0',
    'a:1e3',
    'a:2147483648',
    'a:99999999999',
    'a:1:2',
    'a:1@b',
    'a@',
    'a@b:1',
    'a@b@c',
    'a@b/c',
    'a@sha256:',
    'a@sha256:abcdef0',
    `a@sha256:${'0'.repeat(65)}`,
    'a@sha256:ABCDEF01',
    'a@md5:abcdef01',
    '../../etc/passwd',
    'C:\\models',
    'a'.repeat(MAX_NAME_LENGTH + 1),
    'a'.repeat(10_000),
    `a@${'b'.repeat(10_000)}`,
    'a\0b',
  ])('%j is refused', (text) => expect(outcome(() => parseReference(text))).toBe('INVALID_REFERENCE'));

  it('keeps its errors short, however long the text', () => {
    for (const text of ['a'.repeat(10_000), `a@${'b'.repeat(10_000)}!`, `a:${'9'.repeat(10_000)}`]) {
      const refused = thrown(() => parseReference(text));
      expect(refused).toBeInstanceOf(ModelkeepError);
      expect(JSON.stringify(refused).length).toBeLessThan(1_000);
    }
  });
});

describe('names', () => {
  it('have the documented limits', () => {
    expect([MAX_NAME_LENGTH, MAX_VERSION, MIN_DIGEST_PREFIX]).toEqual([200, 2_147_483_647, 8]);
    const longest = 'a'.repeat(200);
    expect(checkModelName(longest)).toBe(longest);
    expect(checkAliasName(longest)).toBe(longest);
    expect(parseReference(`${longest}:2147483647`)).toEqual({
      model: longest,
      selector: { kind: 'version', version: 2_147_483_647 },
    });
  });

  it('may be refused as INVALID_REFERENCE and as nothing else', () => {
    fc.assert(
      fc.property(hostile, fc.constantFrom(checkModelName, checkAliasName), (text, check) => {
        expect([text, 'INVALID_REFERENCE']).toContain(outcome(() => check(text)));
      }),
      { numRuns: 2_000 },
    );
  });

  it('reserve "latest", and keep "/" out of aliases', () => {
    for (const name of ['latest', 'a/b', '', 'A']) {
      expect(() => checkAliasName(name)).toThrow(expect.objectContaining({ code: 'INVALID_REFERENCE' }));
    }
    expect(parseReference('m@latest')).toEqual({ model: 'm', selector: { kind: 'latest' } });
  });
});

it('a digest begins with each of its prefixes, and with no other', () => {
  const digest = digestOf('modelkeep');
  fc.assert(
    fc.property(fc.integer({ min: 15, max: digest.length }), (length) => {
      const prefix = digest.slice(0, length);
      const other = `${prefix.slice(0, -1)}${prefix.endsWith('0') ? '1' : '0'}`;
      expect(digestMatches(digest, prefix)).toBe(true);
      expect(digestMatches(digest, other)).toBe(false);
    }),
  );
});
