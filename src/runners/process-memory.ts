import { open } from 'node:fs/promises';

/** The value of a field such as `Pss:` of a smaps file, in bytes. */
function field(text: string, name: string): number {
  const match = new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(text);
  return match === null ? 0 : Number(match[1]) * 1_024;
}

/** Room for a whole `smaps_rollup`, which has about 700 bytes; less than half a slab, so that it costs no allocation. */
const ROLLUP_BYTES = 2_048;

/**
 * What the system tells of a process's mappings in sum; empty for one that has ended. `readFile` takes 64 KiB for it,
 * which at several readings a load left the allocator's heap growing.
 */
async function rollupOf(pid: number): Promise<string> {
  // Gone between the asking and the reading.
  const file = await open(`/proc/${pid}/smaps_rollup`).catch(() => undefined);
  if (file === undefined) return '';
  try {
    const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(ROLLUP_BYTES));
    return buffer.toString('utf8', 0, bytesRead);
  } catch {
    return '';
  } finally {
    await file.close();
  }
}

/**
 * Memory of a process that no file backs, in bytes: what it allocated and wrote to. Undefined where the system does not
 * tell, and for a process that has ended.
 */
export async function anonymousMemory(pid: number): Promise<number | undefined> {
  if (process.platform !== 'linux') return undefined;
  const text = await rollupOf(pid);
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
  const sizes = await Promise.all(pids.map(async (pid) => field(await rollupOf(pid), 'Pss')));
  return sizes.reduce((sum, size) => sum + size, 0);
}
