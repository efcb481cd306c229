import { readFile } from 'node:fs/promises';

/** The value of a field such as `Pss:` of a smaps file, in bytes. */
function field(text: string, name: string): number {
  const match = new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(text);
  return match === null ? 0 : Number(match[1]) * 1_024;
}

/**
 * Memory of a process that no file backs, in bytes: what it allocated and wrote to. Undefined where the system does not
 * tell, and for a process that has ended.
 */
export async function anonymousMemory(pid: number): Promise<number | undefined> {
  if (process.platform !== 'linux') return undefined;
  // Gone between the asking and the reading.
  const text = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8').catch(() => '');
  return text === '' ? undefined : field(text, 'Anonymous');
}

/**
 * Memory of processes by proportional set size: a page that n processes map counts 1/n in each, so the sum counts every
 * page once. Where the system has no such count, this process's resident set stands for it, times the processes.
 *
 * @param pids a process that has ended counts nothing
 * @returns bytes
 */
export async function proportionalMemory(pids: readonly number[]): Promise<number> {
  if (process.platform !== 'linux') return process.memoryUsage.rss() * pids.length;
  const sizes = await Promise.all(
    pids.map(async (pid) => {
      // Gone between the asking and the reading.
      const text = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8').catch(() => '');
      return field(text, 'Pss');
    }),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}
