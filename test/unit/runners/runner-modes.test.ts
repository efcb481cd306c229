import { execFile } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';
import {
  LONGEST_CALL_MS,
  nextMode,
  onnxRunnerCommand,
  Runner,
  RunnerPool,
  RUNNER_MODES,
  type RunnerEmitter,
  type RunnerMode,
} from '../../../src/runners/index.js';
import { isRunning } from './processes.js';

/** Every row and column of the table, written out: `x` where the mode on the left may be followed by the one above. */
const TABLE = `
             starting free busy retiring hung dead
  starting   .        x    .    x        x    x
  free       .        .    x    x        .    x
  busy       .        x    .    x        x    x
  retiring   .        .    .    .        x    x
  hung       .        .    .    .        .    x
  dead       .        .    .    .        .    .
`;

const [heads = [], ...rows] = TABLE.trim()
  .split('\n')
  .map((line) => line.trim().split(/\s+/));

const opened: { close(): Promise<void> }[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map((one) => one.close()));
});

/** An emitter, and the modes that it told, each with the one before it. */
function listen(): { readonly events: RunnerEmitter; readonly told: string[] } {
  const events: RunnerEmitter = new EventEmitter();
  const told: string[] = [];
  events.on('mode', (runner, from) => told.push(`${from} ${runner.mode}`));
  return { events, told };
}

async function start(events: RunnerEmitter): Promise<Runner> {
  const runner = await Runner.start(onnxRunnerCommand(), events);
  opened.push(runner);
  return runner;
}

const cells = rows.flatMap(([from = '', ...marks]) =>
  marks.map((mark, at) => ({ from: from as RunnerMode, to: heads[at] as RunnerMode, mark })),
);

describe('the table of modes', () => {
  it.each(cells.filter(({ mark }) => mark === 'x'))('allows $from to $to', ({ from, to }) => {
    expect(nextMode(from, to)).toBe(to);
  });

  it.each(cells.filter(({ mark }) => mark !== 'x'))('refuses $from to $to', ({ from, to }) => {
    expect(() => nextMode(from, to)).toThrow(expect.objectContaining({ code: 'INTERNAL' }));
  });

  it('has every mode', () => {
    expect(heads.toSorted()).toEqual([...RUNNER_MODES].toSorted());
  });
});

describe('a runner', () => {
  it('tells that it is free, busy while something is asked, retiring when it is closed, and dead', async () => {
    const { events, told } = listen();
    const runner = await start(events);
    await Promise.all([runner.call('stats', { op: 'stats' }), runner.call('stats', { op: 'stats' })]);
    await runner.close();
    expect(told).toEqual(['starting free', 'free busy', 'busy free', 'free retiring', 'retiring dead']);
    expect(LONGEST_CALL_MS).toBe(300_000);
  });

  it('takes no call while it is retiring', async () => {
    const { events } = listen();
    const runner = await start(events);
    const closing = runner.close();
    await expect(runner.call('stats', { op: 'stats' })).rejects.toMatchObject({ code: 'RUNNER_CRASHED' });
    await closing;
  });

  it('is hung when a call takes longer than it may: its calls fail at once, and the process is killed', async () => {
    const { events, told } = listen();
    const runner = await start(events);
    process.kill(runner.pid, 'SIGSTOP');
    const calls = [50, 60_000].map((limitMs) => runner.call('stats', { op: 'stats' }, {}, { limitMs }));
    for (const outcome of await Promise.allSettled(calls))
      expect(outcome).toMatchObject({ reason: { code: 'DEADLINE_EXCEEDED', details: { hung: true } } });
    await runner.exited;
    expect(told.slice(-3)).toEqual(['free busy', 'busy hung', 'hung dead']);
    expect(await isRunning(runner.pid)).toBe(false);
  });

  it('gives each call its time from the answer to the one before it', async () => {
    const { events, told } = listen();
    const runner = await start(events);
    process.kill(runner.pid, 'SIGSTOP');
    const first = runner.call('stats', { op: 'stats' }, {}, { limitMs: 60_000 });
    const second = runner.call('stats', { op: 'stats' }, {}, { limitMs: 1_000 });
    // Longer than the second may take: it is not its turn yet.
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    process.kill(runner.pid, 'SIGCONT');
    await Promise.all([first, second]);
    expect(told.at(-1)).toBe('busy free');
  });
});

describe('a pool', () => {
  it('replaces its only runner when that hangs, and tells that it was missing', async () => {
    const pool = await RunnerPool.open({ command: onnxRunnerCommand(), size: 1 });
    opened.push(pool);
    const [stopped] = pool.runners;
    process.kill(stopped!.pid, 'SIGSTOP');
    const joined = once(pool.events, 'joined');
    const asked = stopped!.call('stats', { op: 'stats' }, {}, { limitMs: 50 });
    await expect(asked).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
    expect([pool.runners.length, pool.missing, pool.hung, pool.restarts]).toEqual([0, 1, 1, 1]);
    const [fresh] = (await joined) as [Runner];
    expect(pool.runners).toEqual([fresh]);
    expect(pool.missing).toBe(0);
    expect((await fresh.call('stats', { op: 'stats' })).result.pid).toBe(fresh.pid);
  });

  it('waits for file descriptors where the system has none left for another runner, and the process goes on', async () => {
    const child = fileURLToPath(new URL('../../integration/children/few-descriptors.mjs', import.meta.url));
    const built = fileURLToPath(new URL('../../../dist', import.meta.url));
    const script = 'ulimit -n 128; exec "$0" "$@"';
    const { stdout } = await promisify(execFile)('sh', ['-c', script, process.execPath, child, built]);
    expect(stdout.trim()).toBe('failed RUNNER_CRASHED, joined');
  });
});
