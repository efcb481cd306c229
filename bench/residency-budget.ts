/** The program itself under a memory budget that holds fewer versions than are asked in turn. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { packageFile } from '../src/core/index.js';
import { proportionalMemory } from '../src/runners/index.js';
import { textOf } from './bert-base.js';
import type { Figures } from './figures.js';
import { BENCH_FOLDER, STORE_URL } from './node.js';
import { MIDDLING_VERSIONS } from './prepare.js';

const BUDGET_BYTES = 600_000_000;
const ROUNDS = 5;

/** A process and all that it started. */
async function treeOf(pid: number): Promise<number[]> {
  // Gone between the asking and the reading.
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '');
  const children = await Promise.all(
    text
      .split(' ')
      .filter(Boolean)
      .map((child) => treeOf(Number(child))),
  );
  return [pid, ...children.flat()];
}

/** Starts `modelkeep serve`; its process and where it listens. */
async function startServer() {
  const program = packageFile('dist/programs/modelkeep.js');
  const flags = ['--store', STORE_URL, '--cache-dir', join(BENCH_FOLDER, 'node'), '--cache-max-bytes', '40GB'];
  const args = [program, 'serve', ...flags, '--port', '0', '--memory-budget', '600MB', '--log-level', 'warn', '--json'];
  // Any free port for every protocol.
  const env = { ...process.env, MODELKEEP_GRPC_PORT: '0' };
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'], env });
  const exited = once(child, 'exit').then(([code]) => {
    throw new Error(`modelkeep serve ended with exit code ${String(code)}`);
  });
  const [line] = (await Promise.race([once(createInterface(child.stdout), 'line'), exited])) as [string];
  // Its end is awaited where it is asked to end.
  exited.catch(() => undefined);
  const { url } = JSON.parse(line) as { readonly url: string };
  return { child, pid: child.pid ?? Number.NaN, url };
}

async function ask(url: string, reference: string): Promise<boolean> {
  const body = JSON.stringify({ inputs: textOf(20) });
  const headers = { 'content-type': 'application/json' };
  const response = await fetch(`${url}/models/${reference}`, { method: 'POST', headers, body });
  await response.arrayBuffer();
  return response.ok;
}

/** Six versions of 200 MB asked in turn of a server that may take 600 MB. */
export async function benchBudget(figures: Figures): Promise<void> {
  figures.heading(`${MIDDLING_VERSIONS} versions of 200 MB asked in turn, modelkeep serve --memory-budget 600MB`);
  const { child, pid, url } = await startServer();
  const asked = { over: false, answered: 0, peakBytes: 0 };
  const watch = async (): Promise<void> => {
    while (!asked.over) {
      asked.peakBytes = Math.max(asked.peakBytes, await proportionalMemory(await treeOf(pid)));
      await delay(20);
    }
  };
  const watching = watch();
  try {
    for (let round = 0; round < ROUNDS; round++)
      for (let at = 1; at <= MIDDLING_VERSIONS; at++) if (await ask(url, `middling-${at}`)) asked.answered += 1;
    const metrics = await (await fetch(`${url}/metrics`)).text();
    const evictions = Number(/^modelkeep_evictions_total\{why="budget"\} (\d+)$/m.exec(metrics)?.[1] ?? 0);
    const unanswered = ROUNDS * MIDDLING_VERSIONS - asked.answered;
    figures.add({
      name: `requests without an answer, of ${ROUNDS * MIDDLING_VERSIONS}`,
      value: unanswered,
      unit: '',
      bar: { most: 0 },
    });
    figures.add({ name: 'evictions on /metrics', value: evictions, unit: '' });
    figures.add({ name: 'peak of the process tree', value: asked.peakBytes / 1e6, unit: 'MB' });
    figures.add({ name: 'peak / budget', value: asked.peakBytes / BUDGET_BYTES, unit: '×', bar: { most: 1.1 } });
  } finally {
    asked.over = true;
    await watching;
    child.kill('SIGTERM');
    await once(child, 'exit');
  }
}
