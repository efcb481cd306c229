import { afterEach, beforeEach, expect, it } from 'vitest';
import { history, parseReference, promote, push, setAliasPolicy } from '../../src/app/index.js';
import { nodeMetrics } from '../../src/protocols/http/metrics.js';
import { until } from '../unit/runners/processes.js';
import { Bench, fixture } from './node-bench.js';

let bench: Bench;
beforeEach(async () => {
  bench = await Bench.open();
});
afterEach(() => bench.close());

const PRODUCTION = parseReference('sentiment@production');
const TEXT = 'Absolutely wonderful, I loved every minute of it!';

it('a promoted version that ends its runners under load is moved back from on every node, without a person', async () => {
  for (const name of ['v1', 'v2'] as const) await push(bench.store, fixture(name), { name: 'sentiment' });
  await promote(bench.store, parseReference('sentiment:1'), { to: 'production' });
  const autoRollback = { withinMs: 600_000, maxErrorRate: 0.2, minRequests: 4 };
  await setAliasPolicy(bench.store, PRODUCTION, { autoRollback });
  const [bad, other] = [await bench.node({ runners: 1 }), await bench.node({ runners: 1 })];
  for (const keep of [bad, other]) await keep.load('sentiment@production');
  const metrics = nodeMetrics(bad.parts);
  const version = (keep: typeof bad): number | undefined =>
    keep.status().follows.find(({ reference }) => reference === 'sentiment@production')?.version;

  const doomed = await bench.store.resolve(parseReference('sentiment:2'));
  const sabotage = (runner: (typeof bad.parts.pool.runners)[number]): void => {
    const call = runner.call.bind(runner);
    runner.call = (op, message, tensors) => {
      if (op === 'predict' && 'key' in message && message.key === doomed.id) runner.kill();
      return call(op, message, tensors);
    };
  };
  for (const runner of bad.parts.pool.runners) sabotage(runner);
  bad.parts.pool.events.on('joined', sabotage);

  const stop = new AbortController();
  const failed: string[] = [];
  const load = [bad, other].map(async (keep) => {
    while (!stop.signal.aborted) {
      await keep.predict('sentiment@production', TEXT).catch((error: { code: string }) => failed.push(error.code));
    }
  });
  try {
    await promote(bench.store, parseReference('sentiment:2'), { to: 'production', by: 'ann' });
    await until(
      'the store says so',
      async () => (await bench.store.listAliases())[0]?.moved?.action === 'automatic-rollback',
    );
    await until('every node is back', () => version(bad) === 1 && version(other) === 1);
  } finally {
    // Against a node that is closed they would go round without ever waiting for anything.
    stop.abort();
    await Promise.all(load);
  }
  expect(new Set(failed)).toEqual(new Set(['RUNNER_CRASHED']));
  expect((await history(bench.store, PRODUCTION)).slice(0, 2)).toMatchObject([
    {
      from: 2,
      to: 1,
      action: 'automatic-rollback',
      by: expect.stringContaining(`:${process.pid}`),
      message: expect.any(String),
    },
    { from: 1, to: 2, action: 'promote', by: 'ann' },
  ]);
  expect((await bad.predict('sentiment@production', TEXT)).record.version).toBe(1);
  const counted = await metrics.getSingleMetricAsString('modelkeep_automatic_rollbacks_total');
  expect(counted).toContain('{reference="sentiment@production",outcome="done"} 1');
});

it('a promoted version that is too slow is moved back from under load', async () => {
  for (const name of ['v1', 'v2'] as const) await push(bench.store, fixture(name), { name: 'sentiment' });
  await promote(bench.store, parseReference('sentiment:1'), { to: 'production' });
  // No version answers within a nanosecond.
  await setAliasPolicy(bench.store, PRODUCTION, { autoRollback: { withinMs: 600_000, maxP95Ms: 1e-6 } });
  const keep = await bench.node({ runners: 1 });
  await keep.load('sentiment@production');
  await promote(bench.store, parseReference('sentiment:2'), { to: 'production' });
  const back = async (): Promise<boolean> => {
    await keep.predict('sentiment@production', TEXT);
    return (await bench.store.listAliases())[0]?.moved?.action === 'automatic-rollback';
  };
  await until('it is moved back', back);
  expect((await history(bench.store, PRODUCTION))[0]).toMatchObject({
    from: 2,
    to: 1,
    message: expect.stringContaining('took longer than'),
  });
});
