/** A server as its users start it, in a process of its own, and what it says of itself. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { createInterface } from 'node:readline';
import { proportionalMemory } from '../src/runners/index.js';
import { BENCH_FOLDER, STORE_URL } from './node.js';
import { mixedTexts, MODEL } from './serving-models.js';
import { closedLoop } from './http-clients.js';

/** Sums that the server counted since its start. */
export interface ServerCounts {
  readonly requests: number;
  readonly queueMs: number;
  readonly tokenizeMs: number;
  readonly runMs: number;
  readonly totalMs: number;
  readonly runs: number;
  readonly batched: number;
  readonly tokens: number;
  readonly padding: number;
}

/** What is asked unless another is named. */
export const REFERENCE = `${MODEL}:1`;

/** How long the compiled form may take to be made. */
const COMPILE_LIMIT_MS = 60_000;

/** A running `modelkeep serve`. */
export class BenchServer implements AsyncDisposable {
  readonly url: URL;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, url: URL) {
    this.#child = child;
    this.url = url;
  }

  /** Starts it on a free port with a version loaded and compiled, version 1 unless another is named. */
  static async start(
    options: { readonly flags?: readonly string[]; readonly reference?: string } = {},
  ): Promise<BenchServer> {
    const { flags = [], reference = REFERENCE } = options;
    const settings = ['--store', STORE_URL, '--cache-dir', join(BENCH_FOLDER, 'node'), '--compile-after', '1'];
    const args = [
      'serve',
      '--port',
      '0',
      '--preload',
      reference,
      '--json',
      '--log-level',
      'error',
      ...settings,
      ...flags,
    ];
    const child = spawn(process.execPath, [resolve('dist/programs/modelkeep.js'), ...args], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    // A benchmark that fails leaves no server behind.
    const kill = (): void => void child.kill();
    process.once('exit', kill);
    child.once('exit', () => process.off('exit', kill));
    const lines = createInterface({ input: child.stdout });
    const [line] = (await Promise.race([once(lines, 'line'), failed(child)])) as [string];
    const { url } = JSON.parse(line) as { readonly url: string };
    const server = new BenchServer(child, new URL(url));
    await server.#compiled(reference);
    return server;
  }

  /** Memory of the server and its runners by proportional set size, in bytes. */
  async memory(): Promise<number> {
    const { runners } = (await this.#json('/status')) as { readonly runners: readonly { readonly pid: number }[] };
    return proportionalMemory([this.#child.pid ?? 0, ...runners.map(({ pid }) => pid)]);
  }

  /** What it counted so far. */
  async counts(): Promise<ServerCounts> {
    const metrics = await (await fetch(new URL('/metrics', this.url))).text();
    const of = (name: string): number =>
      metrics
        .split('\n')
        .filter((line) => line.startsWith(`modelkeep_${name}`))
        .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
    const ms = (part: string): number => 1_000 * of(`request_seconds_sum{part="${part}"`);
    return {
      requests: of('request_seconds_count{part="total"'),
      queueMs: ms('queue'),
      tokenizeMs: ms('tokenize'),
      runMs: ms('run'),
      totalMs: ms('total'),
      runs: of('batch_requests_count'),
      batched: of('batch_requests_sum'),
      tokens: of('tokens_total{kind="real"'),
      padding: of('tokens_total{kind="padding"'),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGTERM');
    await ended;
  }

  /** Asks until the compiled form is made and taken over; it is there at once where an earlier run has made it. */
  async #compiled(reference: string): Promise<void> {
    await closedLoop({
      url: this.url,
      path: `/models/${reference}`,
      bodies: bodiesOf(mixedTexts(50)),
      clients: 4,
      seconds: 1,
    });
    const end = performance.now() + COMPILE_LIMIT_MS;
    while (await this.#isCompiling()) {
      if (performance.now() > end) throw new Error('The model was not compiled within a minute');
      await delay(200);
    }
  }

  /** A process that compiles is a child of the server that is no runner. */
  async #isCompiling(): Promise<boolean> {
    const pid = this.#child.pid ?? 0;
    const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
    const { runners } = (await this.#json('/status')) as { readonly runners: readonly { readonly pid: number }[] };
    return (
      children
        .trim()
        .split(' ')
        .filter((one) => one !== '').length > runners.length
    );
  }

  async #json(path: string): Promise<unknown> {
    return (await fetch(new URL(path, this.url))).json();
  }
}

async function failed(child: ChildProcess): Promise<never> {
  const [code] = (await once(child, 'exit')) as [number | null];
  throw new Error(`The server ended with ${code} before it listened`);
}

/** The bodies that ask for each text in the Hugging Face form. */
export function bodiesOf(texts: readonly string[]): string[] {
  return texts.map((input) => JSON.stringify({ inputs: input }));
}
