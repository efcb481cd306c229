import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { push, type Modelkeep } from '../../src/app/index.js';
import type { RequestReport, RunReport } from '../../src/serving/index.js';
import { until } from '../unit/runners/processes.js';
import { Bench, fixture, goldensOf, wrapStore } from './node-bench.js';

let bench: Bench;
let keep: Modelkeep;
beforeAll(async () => {
  bench = await Bench.open();
  await push(bench.store, fixture('v2'), { name: 'sentiment' });
  keep = await bench.node({ runners: 1, maxQueue: 3 });
  await keep.load('sentiment');
});
afterAll(() => bench.close());

const TEXT = 'Absolutely wonderful, I loved every minute of it!';

/** Stops the only runner, so that requests wait, while `work` runs. */
async function whileStopped<T>(work: () => Promise<T>): Promise<T> {
  const pid = keep.status().runners[0]?.pid ?? Number.NaN;
  process.kill(pid, 'SIGSTOP');
  try {
    return await work();
  } finally {
    process.kill(pid, 'SIGCONT');
  }
}

describe('a request', () => {
  it('is answered bit for bit the same in batches of other sizes and lengths', async () => {
    const texts = (await goldensOf('v2')).map(({ text }) => text);
    const model = await keep.load('sentiment');
    const together = (await model.predict([...texts, ...texts])) as unknown[];
    const twice: unknown[] = [];
    for (const text of texts) twice.push(((await model.predict([text, text])) as unknown[])[0]);
    expect(together).toEqual([...twice, ...twice]);
  });

  it('is answered bit for bit the same alone', async () => {
    const texts = (await goldensOf('v2')).map(({ text }) => text);
    const model = await keep.load('sentiment');
    const alone: unknown[] = [];
    for (const text of texts) alone.push(...((await model.predict(text)) as unknown[]));
    expect(alone).toEqual(await model.predict(texts));
  });

  it('is told of its deadline while it waits, and the next one is answered', async () => {
    const outcome = await whileStopped(async () => {
      const running = keep.predict('sentiment', TEXT);
      const late = await keep.predict('sentiment', TEXT, { timeoutMs: 30 }).catch((error: unknown) => error);
      return { running, late };
    });
    expect(outcome.late).toMatchObject({ code: 'DEADLINE_EXCEEDED' });
    expect((await outcome.running).record.version).toBe(1);
    expect(keep.status().waiting).toEqual({});
  });

  it('is told of its deadline while the version is loaded, which goes on for others', async () => {
    let answer: (() => void) | undefined;
    const gate = new Promise<void>((resolve) => (answer = resolve));
    const store = wrapStore(bench.store, {
      readManifest: async (...args) => {
        await gate;
        return bench.store.readManifest(...args);
      },
    });
    const node = await bench.node({ store, runners: 1 });
    const others = node.predict('sentiment', TEXT);
    await expect(node.predict('sentiment', TEXT, { timeoutMs: 30 })).rejects.toMatchObject({
      code: 'DEADLINE_EXCEEDED',
    });
    answer?.();
    expect((await others).record.version).toBe(1);
    await node.close();
  });

  it('can be given up while it waits, and while it runs', async () => {
    const caller = new AbortController();
    const given = await whileStopped(async () => {
      const requests = [1, 2, 3].map(() => keep.predict('sentiment', TEXT, { signal: caller.signal }));
      const outcomes = Promise.allSettled(requests);
      await until('one runs and the others wait', () => keep.status().waiting['sentiment:1'] === 2);
      caller.abort();
      return outcomes;
    });
    expect(given).toMatchObject([1, 2, 3].map(() => ({ status: 'rejected', reason: { code: 'CANCELLED' } })));
    expect((await keep.predict('sentiment', TEXT)).record.version).toBe(1);
    expect(keep.status()).toMatchObject({ waiting: {}, runnerRestarts: 0 });
  });

  it('is refused at once when the queue is full', async () => {
    const { refused, answered } = await whileStopped(async () => {
      const requests = [1, 2, 3, 4].map(() => keep.predict('sentiment', TEXT));
      await until('the queue is full', () => keep.status().waiting['sentiment:1'] === 3);
      const error = await keep.predict('sentiment', TEXT).catch((thrown: unknown) => thrown);
      return { refused: error, answered: Promise.all(requests) };
    });
    expect(refused).toMatchObject({ code: 'OVERLOADED' });
    expect(await answered).toHaveLength(4);
  });

  it.each([-1, Number.NaN, Number.POSITIVE_INFINITY])('may not have the time limit %d', async (timeoutMs) => {
    await expect(keep.predict('sentiment', TEXT, { timeoutMs })).rejects.toMatchObject({ code: 'INVALID_INPUT' });
  });

  it.each([
    ['sentiment:9', 'VERSION_NOT_FOUND'],
    ['sentiment@nobody', 'ALIAS_NOT_FOUND'],
    ['nothing', 'MODEL_NOT_FOUND'],
    ['No Name', 'INVALID_REFERENCE'],
    ['sentiment:', 'INVALID_REFERENCE'],
  ])('for %s is %s, and nothing is followed by it', async (reference, code) => {
    const before = keep.status().follows;
    await expect(keep.predict(reference, TEXT)).rejects.toMatchObject({ code });
    expect(keep.status().follows).toEqual(before);
  });
});

describe('what the service tells', () => {
  it('is each request with its version, its cost or its error, and each run', async () => {
    const requests: RequestReport[] = [];
    const runs: RunReport[] = [];
    const onRequest = (report: RequestReport): unknown => requests.push(report);
    const onRun = (report: RunReport): unknown => runs.push(report);
    keep.parts.service.on('request', onRequest).on('run', onRun);
    await keep.predict('sentiment', [TEXT, 'no']);
    await expect(keep.predict('sentiment', 7)).rejects.toMatchObject({ code: 'INVALID_INPUT' });
    keep.parts.service.off('request', onRequest).off('run', onRun);
    expect(requests).toMatchObject([
      { reference: 'sentiment', record: { version: 1 } },
      { reference: 'sentiment', record: { version: 1 }, error: { code: 'INVALID_INPUT' } },
    ]);
    const [first] = requests;
    expect(first).not.toHaveProperty('error');
    expect(first?.timing?.runMs).toBeGreaterThan(0);
    expect(first?.durationMs).toBeGreaterThan(first?.timing?.runMs ?? Number.POSITIVE_INFINITY);
    // 12 tokens and 3, in one run, of which the 9 that lack are no part.
    expect(runs[0]).toMatchObject({ requests: 1, reply: { tokens: 15, paddedTokens: 15, batches: 1 } });
  });
});
