import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { onnxRunnerCommand, Runner, RunnerPool, type RunnerCommand } from '../../../src/runners/index.js';
import { children, isRunning, nextGone } from './processes.js';

const pools: RunnerPool[] = [];
afterEach(async () => {
  await Promise.all(pools.splice(0).map((pool) => pool.close()));
});

async function open(size: number): Promise<RunnerPool> {
  const pool = await RunnerPool.open({ command: onnxRunnerCommand(), size });
  pools.push(pool);
  return pool;
}

/** A runner process that runs a line of JavaScript instead. */
function commandOf(script: string): RunnerCommand {
  return { command: process.execPath, args: ['-e', script], env: {} };
}

const running = (pids: readonly number[]): Promise<boolean[]> => Promise.all(pids.map((pid) => isRunning(pid)));

/** Replaces every runner, one after the other. */
async function renew(pool: RunnerPool): Promise<void> {
  for (const runner of pool.runners) await (await pool.replace(runner))?.retired;
}

describe('a pool of runners', () => {
  it('starts as many processes as it is told, each of its own', async () => {
    const pool = await open(2);
    const pids = pool.runners.map(({ pid }) => pid);
    expect(new Set(pids).size).toBe(2);
    const stats = await Promise.all(pool.runners.map((runner) => runner.call('stats', { op: 'stats' })));
    expect(stats.map(({ result }) => result)).toMatchObject(
      pids.map((pid) => ({ pid, loaded: [], sessionsCreated: 0 })),
    );
    expect(pool.restarts).toBe(0);
  });

  it('replaces a process that was killed, and fails its calls in flight with RUNNER_CRASHED', async () => {
    const pool = await open(2);
    const [killed, other] = pool.runners;
    if (killed === undefined) throw new Error('The pool is empty');
    const started = once(pool.events, 'joined');
    const ended = nextGone(pool);
    // Stopped, it leaves the calls unanswered for sure.
    process.kill(killed.pid, 'SIGSTOP');
    const calls = [1, 2, 3].map(() => killed.call('stats', { op: 'stats' }));
    expect(killed.inFlight).toBe(3);
    process.kill(killed.pid, 'SIGKILL');
    for (const outcome of await Promise.allSettled(calls)) {
      expect(outcome).toMatchObject({
        status: 'rejected',
        reason: { code: 'RUNNER_CRASHED', details: { signal: 'SIGKILL' } },
      });
    }
    expect(await ended).toMatchObject({ pid: killed.pid, whyGone: { code: 'RUNNER_CRASHED' }, mode: 'dead' });
    const [replacement] = (await started) as [Runner];
    expect(pool.runners).toEqual([other, replacement]);
    expect(pool.restarts).toBe(1);
    expect(killed.alive).toBe(false);
    expect(killed.inFlight).toBe(0);
    await expect(killed.call('stats', { op: 'stats' })).rejects.toMatchObject({ code: 'RUNNER_CRASHED' });
    expect((await replacement.call('stats', { op: 'stats' })).result.pid).toBe(replacement.pid);
  });

  it('answers the calls in flight before it ends its processes', async () => {
    const pool = await open(2);
    const pids = pool.runners.map(({ pid }) => pid);
    const calls = pool.runners.map((runner) => runner.call('stats', { op: 'stats' }));
    await Promise.all([pool.close(), pool.close()]);
    expect((await Promise.all(calls)).map(({ result }) => result.pid)).toEqual(pids);
    expect(await running(pids)).toEqual([false, false]);
    expect(pool.runners).toEqual([]);
    expect(pool.restarts).toBe(0);
  });

  it('leaves no process behind when it is closed while one is replaced', async () => {
    const pool = await open(1);
    const pids: number[] = [];
    pool.events.on('joined', ({ pid }) => pids.push(pid));
    const ended = nextGone(pool);
    process.kill(pool.runners[0]?.pid ?? 0, 'SIGKILL');
    await ended;
    expect((await children()).length).toBe(1);
    await pool.close();
    expect(await children()).toEqual([]);
    expect(pids).toEqual([]);
  });

  it('puts fresh processes in the place of all, after the answers in flight, and counts no restart', async () => {
    const pool = await open(2);
    const before = pool.runners.map(({ pid }) => pid);
    const calls = pool.runners.map((runner) => runner.call('stats', { op: 'stats' }));
    const retired: number[] = [];
    pool.events.on('mode', ({ pid, mode }) => {
      if (mode === 'retiring') retired.push(pid);
    });
    await renew(pool);
    expect((await Promise.all(calls)).map(({ result }) => result.pid)).toEqual(before);
    expect(retired).toEqual(before);
    expect(await running(before)).toEqual([false, false]);
    expect(new Set(await children())).toEqual(new Set(pool.runners.map(({ pid }) => pid)));
    expect(pool.runners).toHaveLength(2);
    expect(pool.restarts).toBe(0);
  });

  it('leaves no process behind when it is closed while it is renewed', async () => {
    const pool = await open(1);
    const renewing = renew(pool);
    expect((await children()).length).toBe(2);
    await pool.close();
    expect(await children()).toEqual([]);
    await renewing;
  });

  it('keeps its size when a process ends while it is renewed', async () => {
    const pool = await open(1);
    const started = once(pool.events, 'joined');
    const renewing = renew(pool);
    process.kill(pool.runners[0]?.pid ?? Number.NaN, 'SIGKILL');
    await Promise.all([renewing, started]);
    expect(pool.runners).toHaveLength(1);
    expect(await children()).toEqual(pool.runners.map(({ pid }) => pid));
  });

  it('kills a process that does not end by itself', async () => {
    const runner = await Runner.start(onnxRunnerCommand());
    process.kill(runner.pid, 'SIGSTOP');
    await runner.close(50);
    expect(await isRunning(runner.pid)).toBe(false);
  });
});

describe('a runner that does not start', () => {
  it.each([
    ['ends at once', commandOf('console.error("out of luck"); process.exit(3)'), { exitCode: 3 }],
    [
      'writes what is no frame',
      commandOf('require("fs").writeSync(3, "Hello, I am no runner"); setInterval(() => {}, 1e3)'),
      { signal: 'SIGKILL' },
    ],
    ['is no program', { command: '/nowhere/to/be/found', args: [], env: {} }, {}],
  ])('is RUNNER_CRASHED: it %s', async (_, command, details) => {
    await expect(RunnerPool.open({ command, size: 2 })).rejects.toMatchObject({ code: 'RUNNER_CRASHED', details });
  });

  it('leaves none of the others running', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'modelkeep-pool-'));
    // The first to make the folder is a runner, the others end at once.
    const script = `try { require('fs').mkdirSync(process.env.FIRST) } catch { process.exit(1) } import(process.env.MAIN)`;
    const [main = ''] = onnxRunnerCommand().args;
    const env = { FIRST: join(folder, 'first'), MAIN: pathToFileURL(main).href };
    await expect(RunnerPool.open({ command: { ...commandOf(script), env }, size: 3 })).rejects.toMatchObject({
      code: 'RUNNER_CRASHED',
    });
    expect(await children()).toEqual([]);
    await rm(folder, { recursive: true });
  });

  it('tells its last words to the log, line by line', async () => {
    const lines: string[] = [];
    const command = {
      ...commandOf('console.error("one\\ntwo"); process.exit(1)'),
      onLog: (line: string) => lines.push(line),
    };
    await expect(Runner.start(command)).rejects.toMatchObject({ code: 'RUNNER_CRASHED' });
    expect(lines).toEqual(['one', 'two']);
  });
});

describe('the environment of a runner', () => {
  it('holds the bounds of its allocator and of tokenizing alone, since that of the node may hold secrets', () => {
    expect(Object.keys(onnxRunnerCommand().env)).toEqual([
      'MALLOC_ARENA_MAX',
      'MALLOC_MMAP_THRESHOLD_',
      'MALLOC_TRIM_THRESHOLD_',
      'GLIBC_TUNABLES',
      'RAYON_NUM_THREADS',
      'TOKENIZERS_PARALLELISM',
    ]);
  });
});
