import { appendFileSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { isDigest, ModelkeepError, type Digest } from '../app/index.js';

/** A file that remembers which segments were found good, so that a verification that was cut off goes on. */
export interface VerifiedFile {
  has(digest: Digest): boolean;
  add(digest: Digest): void;
  /** Removes the file: the verification is over. */
  finish(): Promise<void>;
}

/** Reads what an earlier run has taken down. @throws ModelkeepError `INVALID_INPUT` if the file cannot be read */
export function openVerifiedFile(path: string): VerifiedFile {
  let text = '';
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
      throw new ModelkeepError('INVALID_INPUT', `--resume ${path} cannot be read: ${(error as Error).message}`, {
        cause: error,
      });
  }
  const lines = text.split('\n').filter((line) => line !== '');
  // The last line of a run that was killed may be half written: it is no digest, or counts as none.
  const known = new Set<Digest>(lines.filter(isDigest));
  if (known.size + 1 < lines.length)
    throw new ModelkeepError('INVALID_INPUT', `--resume ${path} is not a file of this command: name another one`);
  return {
    has: (digest) => known.has(digest),
    add: (digest) => {
      known.add(digest);
      appendFileSync(path, `${digest}\n`, { mode: 0o600 });
    },
    finish: () => rm(path, { force: true }),
  };
}
