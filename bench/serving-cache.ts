/** Answers that are kept: what a request costs that finds one, what looking costs one that does not, and a load of texts. */
import { AnswerCache } from '../src/serving/answer-cache.js';
import type { VersionRecord } from '../src/core/index.js';
import { quantile, type Figures } from './figures.js';
import { closedLoop } from './http-clients.js';
import { mixedTexts } from './serving-models.js';
import { BenchServer, bodiesOf, REFERENCE } from './serving-server.js';

const TEXTS = 500;
/** Exponent of the distribution by which texts come: the most frequent one is 2.1 times as frequent as the second. */
const EXPONENT = 1.1;
const CLIENTS = 8;
const REQUESTS = 20_000;

/** Texts by a Zipf distribution, the same in each run. */
function zipf(texts: readonly string[], count: number): readonly string[] {
  const weights = texts.map((_, at) => 1 / (at + 1) ** EXPONENT);
  const sums: number[] = [];
  weights.reduce((sum, weight) => (sums.push(sum + weight), sum + weight), 0);
  const whole = sums.at(-1) ?? 1;
  let state = 7;
  return Array.from({ length: count }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    const point = (state / 2 ** 32) * whole;
    return texts[sums.findIndex((sum) => sum >= point)] ?? '';
  });
}

/** Microseconds that a request of the cache takes which runs nothing, by what it finds. */
async function lookUps(texts: readonly string[]): Promise<{ readonly miss: number; readonly hit: number }> {
  const record = { id: 'a', digest: 'sha256:aa' } as unknown as VersionRecord;
  const output = [{ label: 'POSITIVE', score: 0.9 }];
  const run = () => Promise.resolve({ output, tokens: 20, queueMs: 0, tokenizeMs: 0, runMs: 0 });
  const timed = async (cache: AnswerCache, ask: (at: number) => string): Promise<number> => {
    const started = performance.now();
    for (let at = 0; at < REQUESTS; at += 1) {
      const request = { inputs: ask(at) };
      await cache.answer({ record, form: { precision: 'fp32' }, request, rights: '*' }, run, undefined);
    }
    return ((performance.now() - started) / REQUESTS) * 1_000;
  };
  const misses: number[] = [];
  const hits: number[] = [];
  for (let round = 0; round < 5; round += 1) {
    const cache = new AnswerCache(64_000_000);
    misses.push(await timed(cache, (at) => `${texts[at % texts.length]} ${at}`));
    hits.push(await timed(cache, (at) => `${texts[at % texts.length]} ${at}`));
  }
  return { miss: quantile(misses, 0.5), hit: quantile(hits, 0.5) };
}

async function answersASecond(flags: readonly string[], texts: readonly string[], seconds: number): Promise<number> {
  await using server = await BenchServer.start({ flags });
  const load = { url: server.url, path: `/models/${REFERENCE}`, bodies: bodiesOf(texts) };
  await closedLoop({ ...load, clients: CLIENTS, seconds: 3 });
  const answers = await closedLoop({ ...load, clients: CLIENTS, seconds });
  return answers.filter(({ status }) => status === 200).length / seconds;
}

/** The section `cache`. */
export async function benchCache(figures: Figures, quick: boolean): Promise<void> {
  const all = mixedTexts();
  const texts = Array.from({ length: TEXTS }, (_, at) => `${all[at % all.length]} ${at}`);
  figures.heading('what looking for a kept answer takes');
  const { miss, hit } = await lookUps(texts);
  figures.add({ name: 'a request that finds none, besides its run', value: miss, unit: 'µs', bar: { most: 20 } });
  figures.add({ name: 'a request that finds one', value: hit, unit: 'µs' });
  figures.heading(`${TEXTS} texts by a Zipf distribution (s = ${EXPONENT}), ${CLIENTS} clients`);
  const asked = zipf(texts, 50_000);
  const seconds = quick ? 5 : 15;
  const none = await answersASecond([], asked, seconds);
  const kept = await answersASecond(['--answer-cache', '64MB'], asked, seconds);
  figures.add({ name: 'without --answer-cache', value: none, unit: '/s' });
  figures.add({ name: 'with --answer-cache 64MB', value: kept, unit: '/s' });
  figures.add({ name: 'with / without', value: kept / none, unit: '×', bar: { least: 1 } });
}
