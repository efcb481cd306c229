import { lstat, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Written last, so that what has it is complete; its time is that of the last use. */
const COMPLETE = 'environment.json';
/** Begins the name of a mark: a process that uses the environment, by its id. */
const USER = 'user-';

/** What is known of a complete environment. */
export interface EnvironmentFacts {
  /** The folder of the packages, from that of the environment. */
  readonly packages: string;
  readonly requirements: readonly string[];
  /** Bytes on disk. */
  readonly bytes: number;
}

function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT';
}

async function bytesIn(folder: string): Promise<number> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  let bytes = 0;
  for (const { parentPath, name } of files) bytes += (await lstat(join(parentPath, name))).size;
  return bytes;
}

/** Says that an environment is complete. */
export async function completeFolder(folder: string, facts: Omit<EnvironmentFacts, 'bytes'>): Promise<void> {
  await writeFile(join(folder, COMPLETE), JSON.stringify({ ...facts, bytes: await bytesIn(folder) }));
}

/** The facts of an environment; undefined if there is none, or it is not complete. */
export async function factsOf(folder: string): Promise<EnvironmentFacts | undefined> {
  try {
    const facts = JSON.parse(await readFile(join(folder, COMPLETE), 'utf8')) as Partial<EnvironmentFacts>;
    const { packages = '', requirements = [], bytes } = facts;
    return { packages, requirements, bytes: bytes ?? (await bytesIn(folder)) };
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** When an environment was last used, in ms since the epoch; 0 if it is gone. */
export async function usedMsOf(folder: string): Promise<number> {
  try {
    return (await lstat(join(folder, COMPLETE))).mtimeMs;
  } catch (error) {
    if (isMissing(error)) return 0;
    throw error;
  }
}

/** Sets the time of the last use to now. */
async function touch(folder: string): Promise<void> {
  const now = new Date();
  await utimes(join(folder, COMPLETE), now, now);
}

/** Marks an environment as used by this process. @param user tells users of one process apart */
export async function markUsed(folder: string, user: string): Promise<void> {
  await writeFile(join(folder, `${USER}${process.pid}-${user}`), '');
  await touch(folder);
}

/** Takes the mark back. */
export async function unmarkUsed(folder: string, user: string): Promise<void> {
  try {
    await touch(folder);
  } catch (error) {
    // Somebody has removed the whole folder by hand.
    if (!isMissing(error)) throw error;
  }
  await rm(join(folder, `${USER}${process.pid}-${user}`), { force: true });
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // There is one, of another user.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** True if a process that is alive has marked the environment. */
export async function isUsed(folder: string): Promise<boolean> {
  let names: readonly string[];
  try {
    names = await readdir(folder);
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
  return names.some((name) => name.startsWith(USER) && isAlive(Number.parseInt(name.slice(USER.length), 10)));
}
