/** What a second version costs a running server when only its head is another: bytes that push sends, and memory. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { openStore, push } from '../src/app/index.js';
import { textOf } from './bert-base.js';
import { checkpointFolder } from './checkpoints-models.js';
import { quantile, type Figures } from './figures.js';
import { BenchServer, bodiesOf } from './serving-server.js';

const MB = 1_000_000;
/**
 * How often each version is asked before memory is looked at, and by how many at once: every runner gets its turns, and
 * what the server's own heap grows by between two collections, some MB in thousands of requests, stays small.
 */
const TURNS = 12;
const CLIENTS = 4;
/** What is freed after the last answer is back by then, in ms. */
const SETTLE_MS = 1_000;

/** Two versions of one model. */
interface Pair {
  readonly name: string;
  readonly folders: readonly [string, string];
  /** Megabytes that the second may add. */
  readonly most: number;
}

async function memoryWith(server: BenchServer, version: 1 | 2): Promise<number> {
  const url = new URL(`/models/heads:${version}`, server.url);
  const headers = { 'content-type': 'application/json' };
  for (let turn = 0; turn < TURNS; turn++) {
    const bodies = bodiesOf(Array.from({ length: CLIENTS }, (_, at) => textOf(5 + 10 * at, turn)));
    const answers = await Promise.all(bodies.map((body) => fetch(url, { method: 'POST', headers, body })));
    for (const answer of answers)
      if (!answer.ok) throw new Error(`Version ${version} answers ${answer.status}: ${await answer.text()}`);
      else await answer.arrayBuffer();
  }
  await delay(SETTLE_MS);
  return server.memory();
}

/** What a fresh server and its two runners grow by, proportional set size, in bytes. */
interface Growth {
  /** From the first version, asked already, to the same asked once more. */
  readonly again: number;
  /** From there to the second, asked as often. */
  readonly second: number;
}

async function growthOf(folder: string): Promise<Growth> {
  const flags = ['--store', `file://${join(folder, 'store')}`, '--cache-dir', join(folder, 'node')];
  await using server = await BenchServer.start({
    reference: 'heads:1',
    flags: [...flags, '--runners', '2', '--threads', '1', '--compile-after', '0'],
  });
  const before = await memoryWith(server, 1);
  const again = await memoryWith(server, 1);
  return { again: again - before, second: (await memoryWith(server, 2)) - again };
}

async function benchPair(figures: Figures, { name, folders, most }: Pair, rounds: number): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'modelkeep-heads-'));
  try {
    const store = await openStore(`file://${join(folder, 'store')}`);
    await push(store, folders[0], { name: 'heads' });
    const { sentBytes } = await push(store, folders[1], { name: 'heads' });
    await store.close();
    figures.add({ name: `${name}: bytes sent for the second`, value: sentBytes / MB, unit: 'MB' });
    const found: Growth[] = [];
    for (let round = 0; round < rounds; round++) found.push(await growthOf(folder));
    const grown = found.map(({ second }) => second / MB);
    const again = quantile(
      found.map((one) => one.again / MB),
      0.5,
    );
    const bar = { most };
    figures.add({ name: `${name}: asking the first once more, median`, value: again, unit: 'MB' });
    figures.add({ name: `${name}: memory of the second, median`, value: quantile(grown, 0.5), unit: 'MB', bar });
    figures.add({ name: `${name}: the least of ${rounds} servers`, value: Math.min(...grown), unit: 'MB' });
    figures.add({ name: `${name}: the most of them`, value: Math.max(...grown), unit: 'MB' });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const fixture = (version: string): string => resolve('test/fixtures/sentiment', version);

/** Two versions that differ in the head, in `modelkeep serve` with two runners, a fresh server each round. */
export async function benchSecondHead(figures: Figures, quick: boolean): Promise<void> {
  figures.heading('A second version that differs in its head, in a running server with two runners');
  const small: Pair = { name: 'small model', folders: [fixture('v2'), fixture('v3-head')], most: 2 };
  await benchPair(figures, small, quick ? 3 : 5);
  const base: Pair = { name: 'BERT-base', folders: [checkpointFolder(1), checkpointFolder(2)], most: 10 };
  await benchPair(figures, base, quick ? 3 : 7);
}
