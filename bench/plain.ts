/**
 * The way to compare with: a session made with the runtime's defaults from one exported `.onnx` file that holds its
 * weights. Run as a program with such files, it loads them one after the other and prints what that took.
 */
import { existsSync } from 'node:fs';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { proportionalMemory } from '../src/runners/index.js';
import { plainGraph, type BertSizes } from './plain-graph.js';

/** What loading plain sessions in one process took. */
export interface PlainLoads {
  /** Milliseconds of each `InferenceSession.create`. */
  readonly loadMs: readonly number[];
  /** Proportional set size after one run of each that is plain, in bytes. */
  readonly pssBytes: number;
  /** Private memory written to that the loads alone added, before any run, in bytes. */
  readonly dirtyBytes: number;
  /** Private memory that it grew by, in bytes. */
  readonly privateBytes: number;
}

/** Private memory of a process, clean and dirty, in bytes. */
export async function privateMemory(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8');
  const kib = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(text)?.[1] ?? 0);
  return (kib('Private_Dirty') + kib('Private_Clean')) * 1_024;
}

/** Memory of a process that only it has and that no file backs, in bytes. */
export async function dirtyMemory(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8');
  return Number(/^Private_Dirty:\s+(\d+) kB$/m.exec(text)?.[1] ?? 0) * 1_024;
}

/** Where the plain `.onnx` file of a model lies. */
export function plainFile(folder: string): string {
  return `${folder}.plain.onnx`;
}

interface TensorHeader {
  readonly shape: readonly number[];
  readonly data_offsets: readonly [number, number];
}

/** Writes a BERT classifier as exporters do, unless that file is there. */
export async function exportOnnx(folder: string): Promise<void> {
  const path = plainFile(folder);
  if (existsSync(path)) return;
  const sizes = JSON.parse(await readFile(join(folder, 'config.json'), 'utf8')) as BertSizes;
  const file = await readFile(join(folder, 'model.safetensors'));
  const begin = 8 + Number(file.readBigUInt64LE(0));
  const { __metadata__: _, ...header } = JSON.parse(file.toString('utf8', 8, begin)) as Record<string, TensorHeader>;
  const tensors = new Map(
    Object.entries(header).map(
      ([
        name,
        {
          shape,
          data_offsets: [start, end],
        },
      ]) => [name, { shape, data: file.subarray(begin + start, begin + end) }],
    ),
  );
  await writeFile(`${path}.unfinished`, plainGraph(sizes, tensors));
  await rename(`${path}.unfinished`, path);
}

/** Loads plain sessions in a fresh process. */
export function loadPlain(files: readonly string[], kind: 'plain' | 'compiled' = 'plain'): PlainLoads {
  const { stdout, status } = spawnSync(process.execPath, [fileURLToPath(import.meta.url), kind, ...files], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (status !== 0) throw new Error(`The process that loads plain sessions ended with ${status}`);
  return JSON.parse(stdout) as PlainLoads;
}

function ids(value: bigint): Tensor {
  return new Tensor('int64', new BigInt64Array(16).fill(value), [1, 16]);
}

async function main([kind, ...files]: readonly string[]): Promise<void> {
  const before = await privateMemory(process.pid);
  let dirtyBytes = 0;
  const loadMs: number[] = [];
  const sessions: InferenceSession[] = [];
  for (const file of files) {
    const dirty = await dirtyMemory(process.pid);
    const started = performance.now();
    const session = await InferenceSession.create(file, {
      intraOpNumThreads: 1,
      logSeverityLevel: 3,
      graphOptimizationLevel: kind === 'compiled' ? 'disabled' : 'all',
    });
    loadMs.push(performance.now() - started);
    dirtyBytes += (await dirtyMemory(process.pid)) - dirty;
    sessions.push(session);
    if (kind === 'plain') await session.run({ input_ids: ids(7n), attention_mask: ids(1n), token_type_ids: ids(0n) });
  }
  const pssBytes = await proportionalMemory([process.pid]);
  const privateBytes = (await privateMemory(process.pid)) - before;
  console.log(JSON.stringify({ loadMs, pssBytes, dirtyBytes, privateBytes } satisfies PlainLoads));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main(process.argv.slice(2));
