/**
 * The loop to compare with: onnxruntime-node and a tokenizer in a process of their own, one text at a time.
 * `node serving-bare.js loop SECONDS THREADS` asks itself, without a server, and prints what it did;
 * `node serving-bare.js serve THREADS` prints a port and answers over HTTP in that same process, which is the least that
 * any server of Node.js can add.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { json, text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { createRequire } from 'node:module';
import type * as tokenizers from 'tokenizers';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { quantile } from './figures.js';
import { plainFile } from './plain.js';
import { mixedTexts, modelFolder } from './serving-models.js';

/** What a bare loop did. */
export interface BareLoop {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

const MAX_TOKENS = 128;

/** Opens the model; what answers a text with its logits. */
async function openBare(threads: number): Promise<(input: string) => Promise<readonly number[]>> {
  const { Tokenizer } = createRequire(import.meta.url)('tokenizers') as typeof tokenizers;
  const tokenizer = Tokenizer.fromString(readFileSync(join(modelFolder(1), 'tokenizer.json'), 'utf8'));
  const options = { intraOpNumThreads: threads, interOpNumThreads: 1, logSeverityLevel: 3 } as const;
  const session = await InferenceSession.create(plainFile(modelFolder(1)), options);
  return async (input) => {
    const ids = (await tokenizer.encode(input)).getIds();
    const kept = ids.length > MAX_TOKENS ? [...ids.slice(0, MAX_TOKENS - 1), ids.at(-1) ?? 0] : ids;
    const tensor = (value: (id: number) => bigint): Tensor =>
      new Tensor('int64', BigInt64Array.from(kept, value), [1, kept.length]);
    const all = { input_ids: tensor(BigInt), attention_mask: tensor(() => 1n), token_type_ids: tensor(() => 0n) };
    const { logits } = await session.run(all);
    return Array.from(logits?.data as Float32Array);
  };
}

async function loop(seconds: number, threads: number): Promise<BareLoop> {
  const answer = await openBare(threads);
  const texts = mixedTexts();
  for (const input of texts.slice(0, 5)) await answer(input);
  const times: number[] = [];
  const began = performance.now();
  const end = began + 1_000 * seconds;
  for (let at = 0; performance.now() < end; at++) {
    const started = performance.now();
    await answer(texts[at % texts.length] ?? '');
    times.push(performance.now() - started);
  }
  const perSecond = (1_000 * times.length) / (performance.now() - began);
  return { perSecond, p50Ms: quantile(times, 0.5), p99Ms: quantile(times, 0.99) };
}

/** Answers `{"inputs": text}` on a free port, which it prints. */
async function serve(threads: number): Promise<void> {
  const answer = await openBare(threads);
  const server = createServer((request, response) => {
    const respond = async (): Promise<void> => {
      const { inputs } = (await json(request)) as { readonly inputs: string };
      const body = JSON.stringify(await answer(inputs));
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) });
      response.end(body);
    };
    respond().catch((error: unknown) => response.destroy(error as Error));
  });
  server.listen(0, '127.0.0.1', () => console.log((server.address() as AddressInfo).port));
}

/** Starts the loop behind HTTP, in one process; its URL, until it is disposed of. */
export async function startBareServer(threads: number): Promise<AsyncDisposable & { readonly url: URL }> {
  const child = spawn(process.execPath, [fileURLToPath(import.meta.url), 'serve', String(threads)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const kill = (): void => void child.kill();
  process.once('exit', kill);
  const [port] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
  return {
    url: new URL(`http://127.0.0.1:${port}`),
    async [Symbol.asyncDispose]() {
      process.off('exit', kill);
      const ended = once(child, 'exit');
      child.kill();
      await ended;
    },
  };
}

/** Runs the loop in so many processes at once; answers of all a second, and times of the first. */
export async function runBare(processes: number, threads: number, seconds: number): Promise<BareLoop> {
  const program = fileURLToPath(import.meta.url);
  const loops = await Promise.all(
    Array.from({ length: processes }, async () => {
      const child = spawn(process.execPath, [program, 'loop', String(seconds), String(threads)], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      return JSON.parse(await text(child.stdout)) as BareLoop;
    }),
  );
  const [first] = loops;
  if (first === undefined) throw new Error('There is no loop to measure');
  return { ...first, perSecond: loops.reduce((sum, { perSecond }) => sum + perSecond, 0) };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [, , what, ...numbers] = process.argv;
  const [first = 0, second = 0] = numbers.map(Number);
  if (what === 'serve') await serve(first);
  else console.log(JSON.stringify(await loop(first, second)));
}
