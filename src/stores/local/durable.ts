import { open } from 'node:fs/promises';

/** True for the error of a file or directory that is not there. */
export function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException | undefined)?.code === 'ENOENT';
}

/** Makes the entries of a directory durable: which names it holds, not what is in them. */
export async function syncDirectory(path: string): Promise<void> {
  // Windows opens no directories, and writes their entries through by itself.
  if (process.platform === 'win32') return;
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
