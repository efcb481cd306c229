/** What requests notice while another version is loaded, and while the one that answers them is swapped. */
import { setTimeout as delay } from 'node:timers/promises';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { parseReference, type VersionStore } from '../src/core/index.js';
import { openStore, type Modelkeep } from '../src/app/index.js';
import type { CompileReport } from '../src/residency/index.js';
import { textOf } from './bert-base.js';
import { quantile, type Figures } from './figures.js';
import { BENCH_FOLDER, memoryOf, openNode, STORE_URL, touch } from './node.js';
import { SWAP_VERSIONS } from './prepare.js';

const MB = 1_000_000;
/** Bytes of one copy of BERT-base in float32. */
const COPY_BYTES = 437_935_112;

/** Milliseconds of each request of clients that ask again as soon as they are answered, until `until` settles. */
async function closedLoop(clients: number, until: Promise<unknown>, ask: () => Promise<unknown>): Promise<number[]> {
  const times: number[] = [];
  const loop = { over: false };
  const end = until.finally(() => (loop.over = true));
  const client = async (): Promise<void> => {
    while (!loop.over) {
      const started = performance.now();
      await ask();
      times.push(performance.now() - started);
    }
  };
  await Promise.all([...Array.from({ length: clients }, client), end]);
  return times;
}

/** A store whose segments are no files of this machine, so that they have to be fetched. */
function remote(store: VersionStore): VersionStore {
  return new Proxy(store, {
    get(target, name) {
      if (name === 'segmentFile') return undefined;
      if (name === 'capabilities') return { ...target.capabilities, localFiles: false };
      const value: unknown = Reflect.get(target, name);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

/** Pulls, loads, compiles and lets go, again and again; how often. */
async function bringInAgainAndAgain(keep: Modelkeep, references: readonly string[], untilMs: number): Promise<number> {
  const { residency } = keep.parts;
  let rounds = 0;
  while (performance.now() < untilMs) {
    const { record } = await keep.load(references[rounds % references.length] ?? '');
    const compiled = once(residency, 'compiled') as Promise<[CompileReport]>;
    residency.compile(record.id);
    const [{ error }] = await compiled;
    if (error !== undefined) throw error;
    await residency.release(record.id);
    rounds += 1;
  }
  return rounds;
}

/** The latency of model A alone, and while model B is pulled, loaded and compiled beside it. */
export async function benchBeside(figures: Figures, quick: boolean): Promise<void> {
  const seconds = quick ? 15 : 60;
  figures.heading(`Model A under 2 clients, alone and while B is brought in beside it, ${seconds} s each`);
  await using store = await openStore(STORE_URL);
  // Empty at first, and what nobody uses leaves the disk with the next pull, so that each round has everything to do.
  const cacheDir = join(BENCH_FOLDER, 'beside');
  await rm(cacheDir, { recursive: true, force: true });
  await using keep = await openNode({
    store: remote(store),
    cacheDir,
    cacheMaxBytes: 0,
    compile: true,
    compileAfter: 0,
  });
  const a = 'base-1:1';
  const b = ['full-1:1', 'full-2:1'];
  const text = textOf(30);
  await touch(keep, a, text);
  const model = await keep.load(a);
  const ask = (): Promise<unknown> => model.predict(text);
  await closedLoop(2, delay(2_000), ask);
  const alone = quantile(await closedLoop(2, delay(1_000 * seconds), ask), 0.99);
  const bringingIn = bringInAgainAndAgain(keep, b, performance.now() + 1_000 * seconds);
  const beside = quantile(await closedLoop(2, bringingIn, ask), 0.99);
  const name = `p99 of A while B is pulled, loaded and compiled ${await bringingIn} times`;
  figures.add({ name: 'p99 of A alone', value: alone, unit: 'ms' });
  figures.add({ name, value: beside, unit: 'ms' });
  figures.add({ name: 'beside / alone', value: beside / alone, unit: '×', bar: { most: 1.3 } });
}

interface SwapCounts {
  answered: number;
  failed: number;
  older: number;
  peakBytes: number;
}

async function serveThroughSwaps(keep: Modelkeep, until: Promise<unknown>, counts: SwapCounts): Promise<void> {
  const loop = { over: false };
  const end = until.finally(() => (loop.over = true));
  const client = async (): Promise<void> => {
    let seen = 0;
    while (!loop.over) {
      try {
        const { record } = await keep.predict('swap@production', textOf(10));
        if (record.version < seen) counts.older += 1;
        seen = record.version;
        counts.answered += 1;
      } catch (error) {
        counts.failed += 1;
        console.error(error);
      }
    }
  };
  const watch = async (): Promise<void> => {
    while (!loop.over) {
      counts.peakBytes = Math.max(counts.peakBytes, await memoryOf(keep));
      await delay(50);
    }
  };
  await Promise.all([end, watch(), ...Array.from({ length: 8 }, client)]);
}

/** Swaps under load: nothing fails, nobody sees an older version again, and memory stays within both versions. */
export async function benchSwaps(figures: Figures, quick: boolean): Promise<void> {
  const seconds = quick ? 20 : 120;
  figures.heading(`A swap every 5 s under 8 clients for ${seconds} s`);
  await using keep = await openNode();
  const count = seconds / 5;
  const move = async (at: number): Promise<void> => {
    await keep.store.moveAlias({ model: 'swap', alias: 'production', to: SWAP_VERSIONS - count + at });
  };
  const empty = await memoryOf(keep);
  await move(0);
  await touch(keep, 'swap@production', textOf(10));
  const counts: SwapCounts = { answered: 0, failed: 0, older: 0, peakBytes: 0 };
  const swaps = async (): Promise<void> => {
    for (let at = 1; at <= count; at++) {
      await move(at);
      await delay(5_000);
    }
  };
  await serveThroughSwaps(keep, swaps(), counts);
  const served = await keep.store.resolve(parseReference('swap@production'));
  figures.add({ name: `requests answered, ${served.version} the last version`, value: counts.answered, unit: '' });
  figures.add({ name: 'requests failed', value: counts.failed, unit: '', bar: { most: 0 } });
  figures.add({ name: 'answers older than one already seen', value: counts.older, unit: '', bar: { most: 0 } });
  const bound = empty + 2 * COPY_BYTES;
  figures.add({ name: 'the node before plus both versions', value: bound / MB, unit: 'MB' });
  figures.add({ name: 'peak / that', value: counts.peakBytes / bound, unit: '×', bar: { most: 1.1 } });
}
