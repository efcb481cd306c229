import { ModelkeepError } from './errors.js';

/** Longest path of a file in a version, in characters. */
export const MAX_PATH_LENGTH = 1_000;

const RESERVED_ON_WINDOWS = /^(con|prn|aux|nul|com[0-9]|lpt[0-9])(\.|$)/i;

function whyUnsafe(path: string): string | undefined {
  if (path.length === 0) return 'is empty';
  if (path.length > MAX_PATH_LENGTH) return `has ${path.length} characters, at most ${MAX_PATH_LENGTH} are allowed`;
  // oxlint-disable-next-line no-control-regex -- control characters are what this looks for
  if (/[\u0000-\u001f\u007f\\:*?"<>|]/.test(path)) return 'holds a control character or one of \\ : * ? " < > |';
  if (path.startsWith('/')) return 'is absolute';
  for (const part of path.split('/')) {
    if (part === '' || part === '.' || part === '..') return `has the part ${JSON.stringify(part)}`;
    if (Buffer.byteLength(part) > 255) return 'has a part of more than 255 bytes';
    if (/[. ]$/.test(part) || RESERVED_ON_WINDOWS.test(part))
      return `has the part ${JSON.stringify(part)}, which not every system can hold`;
  }
  return undefined;
}

/**
 * Returns `path` if it is relative, stays in its folder, and is a valid file name on every system.
 *
 * @throws ModelkeepError `INVALID_ARTIFACT`, naming the path and what is wrong with it
 */
export function checkFilePath(path: string): string {
  const why = whyUnsafe(path);
  if (why === undefined) return path;
  const shown = JSON.stringify(path.length > 120 ? `${path.slice(0, 117)}...` : path);
  throw new ModelkeepError(
    'INVALID_ARTIFACT',
    `File path ${shown} ${why}. Paths must be relative and stay in the model's folder`,
    {
      details: { path: path.slice(0, MAX_PATH_LENGTH) },
    },
  );
}
