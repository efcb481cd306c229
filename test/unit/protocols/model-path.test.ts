import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { ModelkeepError, parseReference } from '../../../src/core/index.js';
import { parseModelPath } from '../../../src/protocols/open-inference/model-path.js';

test.each([
  ['sentiment', 'sentiment', 'describe'],
  ['sentiment/ready', 'sentiment', 'ready'],
  ['sentiment/infer', 'sentiment', 'infer'],
  ['sentiment:3/infer', 'sentiment:3', 'infer'],
  ['sentiment@production/ready', 'sentiment@production', 'ready'],
  ['sentiment@sha256:9f86d081/infer', 'sentiment@sha256:9f86d081', 'infer'],
  ['sentiment/versions/2', 'sentiment:2', 'describe'],
  ['sentiment/versions/2/ready', 'sentiment:2', 'ready'],
  ['sentiment/versions/production/infer', 'sentiment@production', 'infer'],
  ['sentiment/versions/latest/infer', 'sentiment@latest', 'infer'],
  ['acme/nlp/sentiment/versions/2/infer', 'acme/nlp/sentiment:2', 'infer'],
  ['ready', 'ready', 'describe'],
  ['infer/infer', 'infer', 'infer'],
  ['versions/2', 'versions/2', 'describe'],
  ['versions/versions/2', 'versions:2', 'describe'],
])('%s is %s, to %s', (path, reference, action) => {
  expect(parseModelPath(path)).toEqual({ reference, action });
});

test.each([
  '',
  '/',
  'sentiment/',
  '/infer',
  'Sentiment',
  '../etc/passwd',
  'sentiment//infer',
  'sentiment/versions//infer',
  'sentiment/versions/0',
  'sentiment/versions/-1',
  'sentiment/versions/2147483648x!',
  'sentiment:1/versions/2',
  'sentiment@production/versions/2/infer',
  'a'.repeat(10_000),
])('%j is INVALID_REFERENCE', (path) => {
  expect(() => parseModelPath(path)).toThrow(expect.objectContaining({ code: 'INVALID_REFERENCE' }));
});

const part = fc
  .stringMatching(/^[a-z0-9][a-z0-9._-]{0,12}$/)
  .filter((text) => !['ready', 'infer', 'versions'].includes(text));
const name = fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'));

test('every name, version and action is found again', () => {
  const version = fc.option(fc.integer({ min: 1, max: 2_147_483_647 }), { nil: undefined });
  const action = fc.constantFrom('describe', 'ready', 'infer');
  fc.assert(
    fc.property(name, version, action, (model, number, what) => {
      const middle = number === undefined ? '' : `/versions/${number}`;
      const path = `${model}${middle}${what === 'describe' ? '' : `/${what}`}`;
      const reference = number === undefined ? model : `${model}:${number}`;
      expect(parseModelPath(path)).toEqual({ reference, action: what });
    }),
  );
});

/** The code with which a path is refused; undefined if it is one. */
function refusal(path: string): unknown {
  try {
    parseReference(parseModelPath(path).reference);
    return undefined;
  } catch (error) {
    return error instanceof ModelkeepError ? error.code : error;
  }
}

test('any text is a path or INVALID_REFERENCE', () => {
  const pathlike = fc.string({ unit: fc.constantFrom('/', ':', '@', 'a', '1', 'versions') });
  fc.assert(
    fc.property(fc.oneof(fc.string(), pathlike), (text) => {
      expect([undefined, 'INVALID_REFERENCE']).toContain(refusal(text));
    }),
  );
});
