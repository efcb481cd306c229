/**
 * `npm run bench -- predict [--json] [--quick]`: a file of 10,000 lines through `modelkeep predict`, beside the same
 * texts through `modelkeep serve` under 8 clients, on the same store one after the other; and what memory a stream takes.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { openStore, push } from '../src/app/index.js';
import { Figures } from './figures.js';

const PROGRAM = resolve('dist/programs/modelkeep.js');
const CLIENTS = 8;

interface Bench {
  readonly folder: string;
  readonly environment: NodeJS.ProcessEnv;
  readonly texts: readonly string[];
}

/** The evaluation texts, repeated with a number each, so that no two lines are the same. */
function textsOf(count: number): string[] {
  const lines = readFileSync('test/fixtures/sentiment/eval.jsonl', 'utf8').trimEnd().split('\n');
  const texts = lines.map((line) => (JSON.parse(line) as { text: string }).text);
  return Array.from({ length: count }, (_, i) => `${texts[i % texts.length]} ${i}`);
}

async function ended(child: ChildProcess): Promise<void> {
  const [code] = (await once(child, 'exit')) as [number | null];
  if (code !== 0) throw new Error(`The command ended with ${code}`);
}

/** Requests a second that the server answers to clients that ask one text after another. */
async function serveAll({ environment, texts }: Bench): Promise<number> {
  const args = ['serve', '--port', '0', '--preload', 'sentiment', '--json'];
  const server = spawn(process.execPath, [PROGRAM, ...args], { env: environment, stdio: ['ignore', 'pipe', 'ignore'] });
  const over = ended(server);
  try {
    const [line] = (await once(createInterface({ input: server.stdout }), 'line')) as [string];
    const { url } = JSON.parse(line) as { url: string };
    const ask = async (text: string): Promise<void> => {
      const init = { method: 'POST', body: JSON.stringify({ inputs: text }) };
      const answer = await fetch(`${url}/models/sentiment`, init);
      await answer.json();
      if (!answer.ok) throw new Error(`The server answered ${answer.status}`);
    };
    await Promise.all(texts.slice(0, 200).map(ask));
    let next = 0;
    const startedMs = performance.now();
    const client = async (): Promise<void> => {
      for (let text = texts[next++]; text !== undefined; text = texts[next++]) await ask(text);
    };
    await Promise.all(Array.from({ length: CLIENTS }, client));
    return texts.length / ((performance.now() - startedMs) / 1_000);
  } finally {
    server.kill('SIGTERM');
    await over;
  }
}

interface Streamed {
  /** Lines a second of the whole command: starting, loading and ending included. */
  readonly perSecond: number;
  /** Most resident memory of the process, without its runners, in bytes. */
  readonly peakBytes: number;
}

/** Sends a file through `modelkeep predict`. */
async function streamAll({ folder, environment, texts }: Bench): Promise<Streamed> {
  const path = join(folder, 'texts.jsonl');
  writeFileSync(path, texts.map((text) => `${JSON.stringify(text)}\n`).join(''));
  const input = openSync(path, 'r');
  const startedMs = performance.now();
  const child = spawn(process.execPath, [PROGRAM, 'predict', 'sentiment'], {
    env: environment,
    stdio: [input, 'pipe', 'inherit'],
  });
  closeSync(input);
  const over = ended(child);
  const { stdout } = child;
  if (stdout === null) throw new Error('The command has no standard output');
  let lines = 0;
  let peakBytes = 0;
  for await (const line of createInterface({ input: stdout })) {
    if (line !== '') lines += 1;
    if (lines % 50 === 0) peakBytes = Math.max(peakBytes, residentPeak(child.pid));
  }
  await over;
  if (lines !== texts.length) throw new Error(`${lines} answers came for ${texts.length} lines`);
  return { perSecond: lines / ((performance.now() - startedMs) / 1_000), peakBytes };
}

/** The high-water mark of a process's resident memory, in bytes; 0 where the system does not tell. */
function residentPeak(pid: number | undefined): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1_024;
  } catch {
    // It has just ended.
    return 0;
  }
}

const mib = (bytes: number): number => bytes / 2 ** 20;

const { values } = parseArgs({
  options: { json: { type: 'boolean', default: false }, quick: { type: 'boolean', default: false } },
});
const figures = new Figures(values.json);
figures.printMachine();
const folder = mkdtempSync(join(tmpdir(), 'modelkeep-bench-'));
try {
  const store = `file://${join(folder, 'store')}`;
  const environment = { ...process.env, MODELKEEP_STORE: store, MODELKEEP_CACHE_DIR: join(folder, 'cache') };
  {
    await using opened = await openStore(store);
    await push(opened, 'test/fixtures/sentiment/v2', { name: 'sentiment' });
  }
  const texts = textsOf(values.quick ? 2_000 : 10_000);
  const bench = { folder, environment, texts };
  const few = await streamAll({ ...bench, texts: texts.slice(0, texts.length / 10) });
  const served = await serveAll(bench);
  const streamed = await streamAll(bench);
  figures.heading(`${texts.length} texts, sentiment v2`);
  figures.add({ name: `modelkeep serve, ${CLIENTS} clients`, value: served, unit: 'texts/s' });
  figures.add({ name: 'modelkeep predict, start and load included', value: streamed.perSecond, unit: 'texts/s' });
  const ratio = served / streamed.perSecond;
  figures.add({ name: 'serve / predict', value: ratio, unit: '×', bar: { most: 1 } });
  figures.add({ name: 'peak memory, all lines', value: mib(streamed.peakBytes), unit: 'MiB' });
  const grown = mib(streamed.peakBytes - few.peakBytes);
  figures.add({ name: 'more than with a tenth of the lines', value: grown, unit: 'MiB', bar: { most: 64 } });
} finally {
  rmSync(folder, { recursive: true, force: true });
}
process.exitCode = figures.missed === 0 ? 0 : 1;
