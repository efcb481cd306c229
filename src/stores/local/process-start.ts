import { readFile } from 'node:fs/promises';

/** What stands for the time at which a process started where the system does not say it. */
const RUNNING = 'unknown';

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it runs, and belongs to somebody else.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/**
 * When a process started, in clock ticks since boot (field 22 of `/proc/PID/stat`, proc(5)); `unknown` where the system
 * does not tell; undefined if there is no such process.
 */
export async function processStart(pid: number): Promise<string | undefined> {
  if (!Number.isSafeInteger(pid) || pid < 1 || !isRunning(pid)) return undefined;
  try {
    const text = await readFile(`/proc/${pid}/stat`, 'utf8');
    // The name of the program, in parentheses, may hold blanks: count fields behind it.
    return text.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? RUNNING;
  } catch {
    // No /proc on this system, or the process ended just now: treat it as running, a later sweep decides.
    return RUNNING;
  }
}
