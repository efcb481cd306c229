/**
 * The loop to compare with: onnxruntime-node and a tokenizer in a process of their own, one text at a time, without a
 * server. `node serving-bare.js SECONDS THREADS` prints what it did.
 */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { Tokenizer } from '@huggingface/tokenizers';
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

async function loop(seconds: number, threads: number): Promise<BareLoop> {
  const json = JSON.parse(readFileSync(join(modelFolder(1), 'tokenizer.json'), 'utf8')) as object;
  const tokenizer = new Tokenizer(json, {});
  const options = { intraOpNumThreads: threads, interOpNumThreads: 1, logSeverityLevel: 3 } as const;
  const session = await InferenceSession.create(plainFile(modelFolder(1)), options);
  const answer = async (input: string): Promise<void> => {
    const { ids } = tokenizer.encode(input);
    const kept = ids.length > MAX_TOKENS ? [...ids.slice(0, MAX_TOKENS - 1), ids.at(-1) ?? 0] : ids;
    const tensor = (value: (id: number) => bigint): Tensor =>
      new Tensor('int64', BigInt64Array.from(kept, value), [1, kept.length]);
    const all = { input_ids: tensor(BigInt), attention_mask: tensor(() => 1n), token_type_ids: tensor(() => 0n) };
    await session.run(all);
  };
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

/** Runs the loop in so many processes at once; answers of all a second, and times of the first. */
export async function runBare(processes: number, threads: number, seconds: number): Promise<BareLoop> {
  const program = fileURLToPath(import.meta.url);
  const loops = await Promise.all(
    Array.from({ length: processes }, async () => {
      const child = spawn(process.execPath, [program, String(seconds), String(threads)], {
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
  console.log(JSON.stringify(await loop(Number(process.argv[2]), Number(process.argv[3]))));
}
