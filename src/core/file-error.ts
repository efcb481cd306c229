import { ModelkeepError } from './errors.js';

const FULL = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);
const REFUSED = new Set(['EACCES', 'EPERM', 'EROFS']);

/**
 * The error of a file operation in the words of the house: `STORE_UNAVAILABLE` for a full disk, `STORE_PERMISSION`
 * where the system refuses; other file errors are `STORE_UNAVAILABLE`; what is already ours stays as it is.
 *
 * @param what the sentence that says what could not be done, such as `Cannot write /data/x`
 * @param nextStep what the reader can do about it
 */
export function fileError(error: unknown, what: string, nextStep: string): unknown {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  if (error instanceof ModelkeepError || code === undefined || !(error instanceof Error) || error.name === 'AbortError')
    return error;
  const why = FULL.has(code) ? 'the disk is full' : REFUSED.has(code) ? 'permission denied' : error.message;
  return new ModelkeepError(
    REFUSED.has(code) ? 'STORE_PERMISSION' : 'STORE_UNAVAILABLE',
    `${what}: ${why}; ${nextStep}`,
    { cause: error },
  );
}
