/** Four times the load that the server can take: it answers what it can, refuses the rest at once, and does not grow. */
import { setTimeout as delay } from 'node:timers/promises';
import { quantile, type Figures } from './figures.js';
import { closedLoop, openLoop, type Load } from './http-clients.js';
import { mixedTexts } from './serving-models.js';
import { BenchServer, bodiesOf, REFERENCE } from './serving-server.js';

/** The time that the queue may stand for, in ms. */
const QUEUE_MS = 1_000;
/** More than can be waiting and under way at once. */
const CONNECTIONS = 500;
const OVERLOAD = 4;
const CLIENTS = 32;
const MB = 1_000_000;

async function watchMemory(server: BenchServer, over: { readonly yes: boolean }): Promise<number> {
  let peak = 0;
  while (!over.yes) {
    peak = Math.max(peak, await server.memory());
    await delay(1_000);
  }
  return peak;
}

/** Answers a second that clients get who wait for each of theirs. */
async function mostAnswered(load: Load): Promise<number> {
  const seconds = 10;
  const answers = await closedLoop({ ...load, clients: CLIENTS, seconds });
  return answers.filter(({ status }) => status === 200).length / seconds;
}

/** The section `overload`. */
export async function benchOverload(figures: Figures, quick: boolean): Promise<void> {
  const seconds = quick ? 20 : 60;
  figures.heading(`${OVERLOAD} times the load that it can take, for ${seconds} s, with --max-queue-ms ${QUEUE_MS}`);
  await using server = await BenchServer.start({ flags: ['--max-queue-ms', String(QUEUE_MS)] });
  const load = { url: server.url, path: `/models/${REFERENCE}`, bodies: bodiesOf(mixedTexts()) };
  const most = await mostAnswered(load);
  // What a first flood needs once (connections, buffers) is no growth.
  await openLoop({ ...load, perSecond: OVERLOAD * most, seconds: 5, connections: CONNECTIONS });
  const memory = await server.memory();
  const over = { yes: false };
  const peak = watchMemory(server, over);
  const flood = openLoop({ ...load, perSecond: OVERLOAD * most, seconds, connections: CONNECTIONS });
  const { answers, unsent } = await flood.finally(() => (over.yes = true));
  const after = await mostAnswered(load);
  const taken = answers.filter(({ status }) => status === 200);
  const refused = answers.filter(({ status }) => status === 429);
  const maximum = (most + after) / 2;
  figures.add({ name: `the most it answers (${CLIENTS} clients, before and after)`, value: maximum, unit: '/s' });
  figures.add({ name: 'asked', value: (answers.length + unsent) / seconds, unit: '/s' });
  const goodput = taken.length / seconds / maximum;
  figures.add({ name: 'answered / the most', value: goodput, unit: '×', bar: { least: 0.9 } });
  const other = answers.length - taken.length - refused.length + unsent;
  figures.add({ name: 'neither answered nor refused', value: other, unit: '', bar: { most: 0 } });
  const late = (values: typeof answers): number =>
    quantile(
      values.map(({ ms }) => ms),
      0.99,
    );
  figures.add({ name: 'refused after: p99', value: late(refused), unit: 'ms', bar: { most: 100 } });
  figures.add({ name: 'answered after: p99', value: late(taken), unit: 'ms', bar: { most: 1.5 * QUEUE_MS } });
  figures.add({ name: 'memory before', value: memory / MB, unit: 'MB' });
  figures.add({ name: 'most memory / before', value: (await peak) / memory, unit: '×', bar: { most: 1.1 } });
}
