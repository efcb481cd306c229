/** What clients notice when an alias moves to another version under load. */
import { setTimeout as delay } from 'node:timers/promises';
import { openStore } from '../src/app/index.js';
import { quantile, type Figures } from './figures.js';
import { closedLoop, type Answer } from './http-clients.js';
import { MODEL, mixedTexts } from './serving-models.js';
import { STORE_URL } from './node.js';
import { BenchServer, bodiesOf } from './serving-server.js';

const CLIENTS = 8;
const ALIAS = 'bench';

/** Long enough before the swap to know the latency, and after it for the new version to be loaded and to answer. */
const AROUND_MS = 5_000;

async function moveAlias(to: number): Promise<void> {
  await using store = await openStore(STORE_URL);
  await store.moveAlias({ model: MODEL, alias: ALIAS, to });
}

async function swapUnderLoad(times: { swappedMs: number }): Promise<void> {
  await delay(AROUND_MS);
  times.swappedMs = performance.now();
  await moveAlias(2);
  await delay(AROUND_MS);
}

/** The longest time without an answer to anybody, in ms. */
function longestGap(answers: readonly Answer[]): number {
  const times = answers.map(({ atMs }) => atMs).toSorted((a, b) => a - b);
  return times.reduce((most, at, i) => Math.max(most, i === 0 ? 0 : at - times[i - 1]!), 0);
}

/** The section `swap`. */
export async function benchSwap(figures: Figures): Promise<void> {
  figures.heading(`An alias moves to a version that is not loaded yet, under ${CLIENTS} clients`);
  await moveAlias(1);
  const reference = `${MODEL}@${ALIAS}`;
  await using server = await BenchServer.start({ reference });
  const times = { swappedMs: 0 };
  const load = { url: server.url, path: `/models/${reference}`, bodies: bodiesOf(mixedTexts()) };
  const answers = await closedLoop({ ...load, clients: CLIENTS, until: swapUnderLoad(times) });
  const good = answers.filter(({ status }) => status === 200);
  const before = good.filter(({ atMs }) => atMs < times.swappedMs);
  const p50 = quantile(
    before.map(({ ms }) => ms),
    0.5,
  );
  const renewed = good.filter(({ version }) => version === '2').length;
  const gap = longestGap(good.filter(({ atMs }) => atMs >= times.swappedMs));
  figures.add({ name: 'answers', value: good.length, unit: '' });
  figures.add({ name: 'answers of the new version', value: renewed, unit: '', bar: { least: 1 } });
  figures.add({ name: 'failed', value: answers.length - good.length, unit: '', bar: { most: 0 } });
  figures.add({ name: 'median latency before', value: p50, unit: 'ms' });
  figures.add({ name: 'longest gap between answers, before', value: longestGap(before), unit: 'ms' });
  figures.add({ name: 'longest gap between answers, from the move on', value: gap, unit: 'ms' });
  figures.add({ name: 'longest gap / median latency before', value: gap / p50, unit: '×', bar: { most: 3 } });
}
