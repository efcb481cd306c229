/** Answers a second and latencies of the server beside the bare loop, and where the time of a request goes. */
import { quantile, type Figures } from './figures.js';
import { closedLoop, type Answer, type Load } from './http-clients.js';
import { runBare, startBareServer } from './serving-bare.js';
import { mixedTexts } from './serving-models.js';
import { BenchServer, bodiesOf, REFERENCE, type ServerCounts } from './serving-server.js';

const CLIENTS = [1, 8, 32] as const;
const MB = 1_000_000;

/** One round at one number of clients. */
interface Round {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly failed: number;
}

function roundOf(answers: readonly Answer[], seconds: number): Round {
  const good = answers.filter(({ status }) => status === 200);
  const times = good.map(({ ms }) => ms);
  return {
    perSecond: good.length / seconds,
    p50Ms: quantile(times, 0.5),
    p99Ms: quantile(times, 0.99),
    failed: answers.length - good.length,
  };
}

function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** One client of the bare loop behind HTTP: median latency in ms. */
async function bareServed(load: Omit<Load, 'url'>, seconds: number): Promise<number> {
  await using server = await startBareServer(2);
  const asked = { ...load, url: server.url, clients: 1 };
  await closedLoop({ ...asked, seconds: 1 });
  return roundOf(await closedLoop({ ...asked, seconds }), seconds).p50Ms;
}

/** Rounds of the bare loops and of the server in turn, so that both meet what else the machine does. */
export async function benchSpeed(figures: Figures, quick: boolean): Promise<void> {
  const rounds = quick ? 2 : 5;
  const seconds = quick ? 3 : 5;
  figures.heading(`MiniLM, 500 texts of mixed length, ${rounds} rounds of ${seconds} s each, medians`);
  await using server = await BenchServer.start();
  const load = { url: server.url, path: `/models/${REFERENCE}`, bodies: bodiesOf(mixedTexts()) };
  const bare: number[] = [];
  const bareP50: number[] = [];
  const bareServedP50: number[] = [];
  const served = new Map<number, Round[]>(CLIENTS.map((clients) => [clients, []]));
  const counted: ServerCounts[] = [];
  for (let round = 0; round < rounds; round++) {
    bare.push((await runBare(2, 1, seconds)).perSecond);
    bareP50.push((await runBare(1, 2, seconds)).p50Ms);
    bareServedP50.push(await bareServed(load, seconds));
    for (const clients of CLIENTS) {
      const before = await server.counts();
      served.get(clients)?.push(roundOf(await closedLoop({ ...load, clients, seconds }), seconds));
      if (clients === 32) counted.push(difference(before, await server.counts()));
    }
  }
  figures.add({ name: 'bare loop, 2 processes of 1 thread', value: median(bare), unit: '/s' });
  figures.add({ name: 'bare loop, 1 process of 2 threads: p50', value: median(bareP50), unit: 'ms' });
  const ratios = bareServedP50.map((ms, at) => ms / (bareP50[at] ?? 1));
  figures.add({
    name: 'bare loop behind HTTP in its own process, 1 client: p50',
    value: median(bareServedP50),
    unit: 'ms',
  });
  figures.add({ name: 'that / bare loop of 2 threads', value: median(ratios), unit: '×' });
  for (const clients of CLIENTS) addServed(figures, clients, served.get(clients) ?? [], bare, bareP50);
  figures.add({ name: 'memory (PSS) after it', value: (await server.memory()) / MB, unit: 'MB' });
  addSplit(figures, counted);
}

/** Ratios within each round, since a machine that others use is not as fast in one round as in the next. */
function addServed(
  figures: Figures,
  clients: number,
  rounds: readonly Round[],
  bare: readonly number[],
  bareP50: readonly number[],
): void {
  const name = `${clients} ${clients === 1 ? 'client' : 'clients'}`;
  const of = (pick: (round: Round) => number): number => median(rounds.map(pick));
  figures.add({ name: `${name}: answers`, value: of(({ perSecond }) => perSecond), unit: '/s' });
  figures.add({ name: `${name}: p50`, value: of(({ p50Ms }) => p50Ms), unit: 'ms' });
  figures.add({ name: `${name}: p99`, value: of(({ p99Ms }) => p99Ms), unit: 'ms' });
  if (clients === 1) {
    const value = median(rounds.map(({ p50Ms }, at) => p50Ms / (bareP50[at] ?? 1)));
    figures.add({ name: `${name}: p50 / bare loop of 2 threads`, value, unit: '×', bar: { most: 1.15 } });
  } else {
    const value = median(rounds.map(({ perSecond }, at) => perSecond / (bare[at] ?? 1)));
    figures.add({
      name: `${name}: answers / bare loop`,
      value,
      unit: '×',
      bar: { least: clients === 8 ? 1.05 : 1.15 },
    });
  }
  const failed = rounds.reduce((sum, round) => sum + round.failed, 0);
  figures.add({ name: `${name}: failed`, value: failed, unit: '', bar: { most: 0 } });
}

function difference(from: ServerCounts, to: ServerCounts): ServerCounts {
  const names = Object.keys(to) as (keyof ServerCounts)[];
  return Object.fromEntries(names.map((name) => [name, to[name] - from[name]])) as unknown as ServerCounts;
}

/** What the server counted in the rounds of 32 clients. */
function addSplit(figures: Figures, rounds: readonly ServerCounts[]): void {
  const of = (name: keyof ServerCounts): number => rounds.reduce((sum, counts) => sum + counts[name], 0);
  const each = (name: keyof ServerCounts): number => of(name) / of('requests');
  figures.heading('Where the time goes with 32 clients, by the server’s own metrics');
  figures.add({ name: 'requests a run', value: of('batched') / of('runs'), unit: '' });
  const padded = of('tokens') + of('padding');
  figures.add({ name: 'padding', value: (100 * of('padding')) / padded, unit: '%', bar: { most: 10 } });
  figures.add({ name: 'a request waits in the queue', value: each('queueMs'), unit: 'ms' });
  figures.add({ name: 'its run tokenizes', value: each('tokenizeMs'), unit: 'ms' });
  figures.add({ name: 'its run runs', value: each('runMs'), unit: 'ms' });
  const rest = each('totalMs') - each('queueMs') - each('tokenizeMs') - each('runMs');
  figures.add({ name: 'and the service spends besides', value: rest, unit: 'ms' });
}
