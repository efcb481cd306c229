import { readFileSync } from 'node:fs';
import { ModelkeepError } from '../../core/index.js';
import type { ArtifactFile } from '../artifact.js';

/** How each Git LFS pointer begins; it is at most 1,024 bytes long. */
const POINTER = /^version https:\/\/(git-lfs\.github\.com\/spec|hawser\.github\.com\/spec)\//;
const MAX_POINTER_BYTES = 1024;

/**
 * Makes sure that no file is a Git LFS pointer: a few lines that stand for a file that was never fetched.
 *
 * @throws ModelkeepError `INVALID_ARTIFACT` naming those that are
 */
export function refusePointers(files: readonly ArtifactFile[]): void {
  const pointers = files.filter(({ absolutePath, size }) => {
    if (size === 0 || size > MAX_POINTER_BYTES) return false;
    return POINTER.test(readFileSync(absolutePath, 'latin1'));
  });
  const [first] = pointers;
  if (first === undefined) return;
  const wanted = /^size (\d+)$/m.exec(readFileSync(first.absolutePath, 'latin1'))?.[1];
  const others = pointers.length === 1 ? '' : ` (so are ${pointers.length - 1} others)`;
  throw new ModelkeepError(
    'INVALID_ARTIFACT',
    `${first.path} is a Git LFS pointer${others}: it stands for a file of ${wanted ?? 'unknown'} bytes that was not ` +
      'fetched. Run "git lfs pull" in the repository that it is from, or get the file itself, and publish again',
    { details: { files: pointers.map(({ path }) => path).slice(0, 100) } },
  );
}
