import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** A file system of its own, in memory. */
export interface SmallDisk extends AsyncDisposable {
  /** Where it is mounted. */
  readonly directory: string;
  /** Makes it larger or smaller, read-only or writable, such as `size=8m` or `ro`. */
  remount(options: string): Promise<void>;
}

/** Mounts a file system of `bytes` bytes; undefined where this process may not. */
export async function smallDisk(bytes: number): Promise<SmallDisk | undefined> {
  const directory = await mkdtemp(join(tmpdir(), 'modelkeep-disk-'));
  const mount = async (options: string): Promise<void> => {
    await run('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', directory]);
  };
  try {
    await mount(`size=${bytes}`);
  } catch {
    // Not root, not Linux, or a container without the right: the caller says that its test is skipped.
    await rm(directory, { recursive: true });
    return undefined;
  }
  return {
    directory,
    remount: (options) => mount(`remount,${options}`),
    [Symbol.asyncDispose]: async () => {
      await run('umount', [directory]);
      await rm(directory, { recursive: true });
    },
  };
}
