import { describe, expect, it } from 'vitest';
import { ModelkeepError } from '../../../src/core/index.js';
import { diskErrors } from '../../../src/stores/local/disk-error.js';

const translate = diskErrors('/data/store');

function withCode(code: unknown): Error {
  return Object.assign(new Error('what the system said'), { code });
}

describe('an error of LMDB or of a file', () => {
  // LMDB gives the system's numbers (errno) as they are and its own (lmdb.h) below -30,000; Node gives names.
  it.each([
    [28, 'STORE_UNAVAILABLE', 'ENOSPC'],
    [30, 'STORE_PERMISSION', 'EROFS'],
    [13, 'STORE_PERMISSION', 'EACCES'],
    [5, 'STORE_UNAVAILABLE', 'EIO'],
    [20, 'STORE_UNAVAILABLE', 'ENOTDIR'],
    [-30_792, 'STORE_UNAVAILABLE', -30_792],
    [-30_793, 'STORE_UNAVAILABLE', -30_793],
    ['ENOSPC', 'STORE_UNAVAILABLE', 'ENOSPC'],
    ['EDQUOT', 'STORE_UNAVAILABLE', 'EDQUOT'],
    ['EACCES', 'STORE_PERMISSION', 'EACCES'],
    ['EPERM', 'STORE_PERMISSION', 'EPERM'],
    ['EIO', 'STORE_UNAVAILABLE', 'EIO'],
  ])('with the code %s becomes %s, and keeps its cause', (code, expected, cause) => {
    const error = translate(withCode(code));
    expect(error).toBeInstanceOf(ModelkeepError);
    expect(error).toMatchObject({ code: expected, cause: { code: cause } });
  });

  it('names the directory and the next step', () => {
    const { message } = translate(withCode(28));
    expect(message).toContain('/data/store');
    expect(message).toContain('free space');
  });
});

describe('another error', () => {
  it('stays as it is if it is ours, and is an abort or a defect otherwise', () => {
    const own = new ModelkeepError('ALIAS_CONFLICT', 'm');
    expect(translate(own)).toBe(own);
    const abort = new DOMException('stop', 'AbortError');
    expect(translate(abort)).toMatchObject({ code: 'CANCELLED', cause: abort });
    const defect = new TypeError('x is undefined');
    expect(translate(defect)).toMatchObject({ code: 'INTERNAL', cause: defect });
    expect(translate('a text')).toMatchObject({ code: 'INTERNAL' });
  });
});
