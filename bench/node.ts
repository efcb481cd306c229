/** A node over a store of generated models, as every benchmark here uses it. */
import { mkdir } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';
import { openModelkeep, type Modelkeep, type OpenOptions } from '../src/app/index.js';
import { proportionalMemory } from '../src/runners/index.js';

function projectFolder(): string {
  let folder = fileURLToPath(new URL('.', import.meta.url));
  while (!existsSync(join(folder, 'tsconfig.base.json'))) folder = join(folder, '..');
  return folder;
}

/** Where generated models, the store and the cache of benchmarks lie; ignored by git. */
export const BENCH_FOLDER = join(projectFolder(), '.cache', 'bench');

/** The embedded store of the benchmarks. */
export const STORE_URL = `file://${join(BENCH_FOLDER, 'store')}`;

/** Opens a node over the benchmarks' embedded store: two runners of one thread each, unless options say otherwise. */
export async function openNode(options: OpenOptions = {}): Promise<Modelkeep> {
  await mkdir(BENCH_FOLDER, { recursive: true });
  return openModelkeep({
    store: STORE_URL,
    cacheDir: join(BENCH_FOLDER, 'node'),
    cacheMaxBytes: 40_000_000_000,
    runners: 2,
    threads: 1,
    ...options,
  });
}

/** The processes of a node: this one and its runners. */
export function pidsOf({ parts: { pool } }: Modelkeep): number[] {
  return [process.pid, ...pool.runners.map(({ pid }) => pid)];
}

/** Memory of a node by proportional set size, in bytes. */
export function memoryOf(keep: Modelkeep): Promise<number> {
  return proportionalMemory(pidsOf(keep));
}

/** Loads a version and asks it until every runner has answered, so that all its pages in use are in memory. */
export async function touch(keep: Modelkeep, reference: string, text: string): Promise<void> {
  const model = await keep.load(reference);
  await Promise.all(Array.from({ length: 8 }, () => model.predict(text)));
}
