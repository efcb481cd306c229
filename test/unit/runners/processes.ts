import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import type { Runner, RunnerMode, RunnerPool } from '../../../src/runners/index.js';

/** State and parent of a process, as the kernel tells them; undefined if there is none, or it only waits to be reaped. */
async function runningProcess(pid: number): Promise<{ readonly parent: number } | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  const [, state, parent] = /\) (\S) (\d+) /.exec(stat) ?? [];
  return state === undefined || state === 'Z' || state === 'X' ? undefined : { parent: Number(parent) };
}

/** True while a process runs. */
export async function isRunning(pid: number): Promise<boolean> {
  return (await runningProcess(pid)) !== undefined;
}

/** The processes that this one started and that still run. */
export async function children(): Promise<number[]> {
  const pids = (await readdir('/proc')).map(Number).filter((pid) => pid > 0);
  const found = await Promise.all(pids.map(async (pid) => ({ pid, running: await runningProcess(pid) })));
  return found.filter(({ running }) => running?.parent === process.pid).map(({ pid }) => pid);
}

/** Looks again and again, for 20 s at most, until a condition holds. @throws Error naming what was awaited */
export async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  for (const endMs = performance.now() + 20_000; !(await holds()); await delay(5)) {
    if (performance.now() > endMs) throw new Error(`Not within 20 s: ${what}`);
  }
}

/** The next runner of a pool that hangs or ends though it should serve. */
export function nextGone({ events }: RunnerPool): Promise<Runner> {
  return new Promise((resolve) => {
    const onMode = (runner: Runner, from: RunnerMode): void => {
      if (runner.alive || from === 'retiring') return;
      events.off('mode', onMode);
      resolve(runner);
    };
    events.on('mode', onMode);
  });
}
