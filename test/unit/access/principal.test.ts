import { describe, expect, test } from 'vitest';
import { authorize, errorFor, EVERYBODY, mayUse, OPERATIONS, type Operation } from '../../../src/access/index.js';
import { expandScopes, SCOPES, type Scope } from '../../../src/access/scopes.js';
import { asModelkeepError, ERROR_CODES, ModelkeepError, type ErrorCode } from '../../../src/core/index.js';

const withScopes = (...scopes: Scope[]) => ({ name: 'x', scopes: expandScopes(scopes) });
/** The code with which something fails; undefined if it does not. */
function codeOf(work: () => void): ErrorCode | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    return asModelkeepError(error).code;
  }
}

const allowed = (scope: Scope): Operation[] =>
  (Object.keys(OPERATIONS) as Operation[]).filter(
    (operation) => codeOf(() => authorize(withScopes(scope), operation)) !== 'FORBIDDEN',
  );

test('each scope allows what the table says', () => {
  const open = ['health', 'documentation', 'server'];
  expect(allowed('infer')).toEqual([...open, 'infer', 'inspect', 'list']);
  expect(allowed('read')).toEqual([...open, 'inspect', 'list', 'read', 'metrics']);
  expect(allowed('publish')).toEqual([...open, 'inspect', 'list', 'read', 'metrics', 'publish']);
  expect(allowed('admin')).toEqual(Object.keys(OPERATIONS));
});

test('no scope allows only what is open', () => {
  expect(() => authorize(withScopes(), 'health')).not.toThrow();
  expect(() => authorize(withScopes(), 'server')).toThrow(ModelkeepError);
});

describe('a restriction to models', () => {
  const principal = { ...withScopes(...SCOPES), models: ['sentiment', 'team/*'] };

  test.each([
    ['sentiment', true],
    ['sentiment2', false],
    ['team/a', true],
    ['team/a/b', true],
    ['team', false],
    ['teams/a', false],
    ['other', false],
  ])('%s: %s', (model, may) => {
    expect(mayUse(principal, model)).toBe(may);
    for (const reference of [model, `${model}:3`, `${model}@production`]) {
      const outcome = may ? undefined : 'FORBIDDEN';
      expect(codeOf(() => authorize(principal, 'infer', reference))).toBe(outcome);
    }
  });

  test('is none for everybody', () => {
    expect(mayUse(EVERYBODY, 'anything')).toBe(true);
  });
});

describe('what an error tells', () => {
  const secret = 'There is shop/secret in /srv/models';
  const codes = Object.keys(ERROR_CODES) as ErrorCode[];

  test.each(codes)('%s to one who reads all: everything', (code) => {
    const error = new ModelkeepError(code, secret, { details: { path: '/srv' } });
    expect(errorFor(withScopes('read'), error)).toBe(error);
  });

  test.each(['MODEL_NOT_FOUND', 'ALIAS_NOT_FOUND', 'STORE_UNAVAILABLE', 'OUT_OF_BUDGET', 'INTERNAL'] as const)(
    '%s to others: its meaning',
    (code) => {
      const error = new ModelkeepError(code, secret, { details: { path: '/srv' } });
      const restricted = { ...withScopes('read'), models: ['a'] };
      for (const principal of [undefined, withScopes('infer'), restricted]) {
        expect(errorFor(principal, error).toJSON()).toEqual({ code, message: ERROR_CODES[code] });
      }
    },
  );

  test('what was wrong with the request is told to all', () => {
    const error = new ModelkeepError('INVALID_INPUT', 'inputs is missing');
    expect(errorFor(withScopes('infer'), error)).toBe(error);
  });
});
