import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  history,
  openGates,
  parseReference,
  promote,
  push,
  setAliasPolicy,
  type GateResult,
  type ModelkeepError,
} from '../../src/app/index.js';
import { until } from '../unit/runners/processes.js';
import { Bench, fixture } from './node-bench.js';

let bench: Bench;
beforeEach(async () => {
  bench = await Bench.open();
});
afterEach(() => bench.close());

const PRODUCTION = parseReference('sentiment@production');
const goldenOf = (name: 'v1' | 'v2'): string => join(fixture(name), 'golden.jsonl');
const TEXT = 'Absolutely wonderful, I loved every minute of it!';

const gatesOf = (error: unknown): readonly GateResult[] => (error as ModelkeepError).details['gates'] as GateResult[];

describe('a node', () => {
  it('does not let a version answer that fails its golden answers here: the old one goes on, and the history knows', async () => {
    await push(bench.store, fixture('v1'), { name: 'sentiment', golden: goldenOf('v1') });
    await promote(bench.store, parseReference('sentiment:1'), { to: 'production' });
    const keep = await bench.node();
    expect((await keep.predict('sentiment@production', TEXT)).record.version).toBe(1);
    const failures: ModelkeepError[] = [];
    keep.parts.follower.on('swap-failed', (_text, error) => failures.push(error));
    // The golden answers of another model stand for a node that computes wrongly.
    await push(bench.store, fixture('v2'), { name: 'sentiment', golden: goldenOf('v1') });
    await promote(bench.store, parseReference('sentiment:2'), { to: 'production' });
    await until('the swap has failed', () => failures.length > 0);
    expect(failures[0]).toMatchObject({ code: 'GATE_FAILED', details: { version: 2 } });
    expect(gatesOf(failures[0])).toMatchObject([{ gate: 'parity', outcome: 'failed', figures: { examples: 68 } }]);
    expect((await keep.predict('sentiment@production', TEXT)).record.version).toBe(1);
    const held = async () => (await history(bench.store, PRODUCTION)).filter(({ kind }) => kind === 'gate-failed');
    await until('the history knows', async () => (await held()).length > 0);
    expect(await held()).toMatchObject([
      {
        alias: 'production',
        version: 2,
        by: expect.stringContaining(String(process.pid)),
        gates: [{ gate: 'parity' }],
      },
    ]);
    expect((await held()).flatMap((event) => ('gates' in event ? (event.gates ?? []) : []))[0]?.examples?.[0]).toEqual({
      place: expect.any(Number),
      input: expect.any(String),
      expected: expect.stringContaining('label'),
      given: expect.stringContaining('label'),
    });
    // Whoever asks for the version by its number is refused too.
    await expect(keep.load('sentiment:2')).rejects.toMatchObject({ code: 'GATE_FAILED' });
    await setAliasPolicy(bench.store, PRODUCTION, { gates: { parity: 'off' } });
    await until('the new one answers', async () => (await keep.load('sentiment@production')).version === 2);
    expect(await held()).toHaveLength(1);
  });

  it('computes golden answers as they were computed in training, and asks for some where the policy says so', async () => {
    await push(bench.store, fixture('v1'), { name: 'sentiment' });
    await push(bench.store, fixture('v2'), { name: 'sentiment', golden: goldenOf('v2') });
    await promote(bench.store, parseReference('sentiment:1'), { to: 'production' });
    await setAliasPolicy(bench.store, PRODUCTION, { gates: { parity: 'on' } });
    const keep = await bench.node();
    await expect(keep.load('sentiment@production')).rejects.toMatchObject({ code: 'GATE_FAILED' });
    await promote(bench.store, parseReference('sentiment:2'), { to: 'production' });
    expect((await keep.load('sentiment@production')).version).toBe(2);
    const { residency } = keep.parts;
    const found = await residency.parityOf(residency.residents.find(({ state }) => state === 'ready')!);
    expect(found).toMatchObject({ outcome: 'passed', figures: { examples: 68, failed: 0 } });
    expect(found.figures?.['largestDifference']).toBeLessThan(1e-4);
  });

  it('answers what came while a lone runner computed golden answers', async () => {
    await push(bench.store, fixture('v1'), { name: 'sentiment' });
    await promote(bench.store, parseReference('sentiment:1'), { to: 'production' });
    const keep = await bench.node({ runners: 1, requestTimeoutMs: 20_000 });
    await keep.load('sentiment@production');
    await push(bench.store, fixture('v2'), { name: 'sentiment', golden: goldenOf('v2') });
    const next = await bench.store.resolve(parseReference('sentiment:2'));
    const asked: Promise<unknown>[] = [];
    const watch = (runner: (typeof keep.parts.pool.runners)[number]): void => {
      const call = runner.call.bind(runner);
      runner.call = (op, message, tensors) => {
        const calling = call(op, message, tensors);
        // The runner is busy with it now: the request has to wait, and nothing else will come.
        if (op === 'predict' && 'key' in message && message.key === next.id && asked.length === 0)
          asked.push(keep.predict('sentiment@production', TEXT));
        return calling;
      };
    };
    for (const runner of keep.parts.pool.runners) watch(runner);
    // A fresh one may take over where one alone serves.
    keep.parts.pool.events.on('joined', watch);
    await promote(bench.store, parseReference('sentiment:2'), { to: 'production' });
    await until('it was asked', () => asked.length > 0);
    expect(await asked[0]).toMatchObject({ record: { model: 'sentiment' } });
  });

  it('holds an alias to its own tolerance', async () => {
    await push(bench.store, fixture('v2'), { name: 'sentiment', golden: goldenOf('v2') });
    await promote(bench.store, parseReference('sentiment:1'), { to: 'production' });
    await setAliasPolicy(bench.store, PRODUCTION, { gates: { parityTolerance: 0 } });
    const keep = await bench.node();
    expect((await keep.load('sentiment')).version).toBe(1);
    await expect(keep.load('sentiment@production')).rejects.toMatchObject({ code: 'GATE_FAILED' });
  });
});

const gates = () => openGates({ store: bench.store, cacheDir: join(bench.folder, 'cache'), threads: 1 });

describe('gates of a promotion', () => {
  const to = 'production';

  it('refuse what is worse on the stored set, with accuracies and the worst examples, and let pass what is not', async () => {
    const all = await readFile(fixture('v2').replace(/v2$/, 'eval.jsonl'), 'utf8');
    const evaluation = join(bench.folder, 'eval.jsonl');
    await writeFile(evaluation, all.split('\n').slice(0, 60).join('\n'));
    await push(bench.store, fixture('v2'), { name: 'sentiment', golden: goldenOf('v2'), evaluation });
    const first = await promote(bench.store, parseReference('sentiment:1'), { to, runGates: gates() });
    expect(first.gates).toMatchObject([
      { gate: 'parity', outcome: 'passed' },
      { gate: 'quality', outcome: 'passed', figures: { examples: 60 } },
    ]);
    await push(bench.store, fixture('v4-bad'), { name: 'sentiment' });
    const promoting = promote(bench.store, parseReference('sentiment:2'), { to, runGates: gates() });
    const error: unknown = await promoting.catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'GATE_FAILED' });
    const [quality, more] = gatesOf(error);
    expect(more).toBeUndefined();
    expect(quality).toMatchObject({ gate: 'quality', outcome: 'failed', figures: { examples: 60 } });
    expect(quality?.figures?.['before']).toBeGreaterThan(0.7);
    expect(quality?.figures?.['after']).toBeLessThan(0.3);
    expect(quality?.examples).toHaveLength(10);
    expect(quality?.examples?.[0]).toMatchObject({ expected: 'POSITIVE', given: expect.stringContaining('NEGATIVE') });
    expect((await bench.store.listAliases())[0]).toMatchObject({ version: 1, revision: 1 });
    await push(bench.store, fixture('v3-head'), { name: 'sentiment' });
    const moved = await promote(bench.store, parseReference('sentiment:3'), { to, runGates: gates() });
    expect(moved).toMatchObject({ from: 1, version: 3, gates: [{ gate: 'quality', outcome: 'passed' }] });
  });

  it('refuse what is slower or larger than allowed, measured beside what serves', async () => {
    await push(bench.store, fixture('v1'), { name: 'sentiment', golden: goldenOf('v1') });
    await push(bench.store, fixture('v2'), { name: 'sentiment', golden: goldenOf('v2') });
    await promote(bench.store, parseReference('sentiment:1'), { to });
    const asking = (policy: object) =>
      promote(bench.store, parseReference('sentiment:2'), { to, gates: policy, runGates: gates() });
    // Nothing is a thousand times faster or smaller than a version of the same size.
    const strict = asking({ maxLatencyRatio: 0.001, maxMemoryRatio: 0.001 });
    const error: unknown = await strict.catch((thrown: unknown) => thrown);
    expect(gatesOf(error)).toMatchObject([
      { gate: 'parity', outcome: 'passed' },
      { gate: 'latency', outcome: 'failed', figures: { maxRatio: 0.001 } },
      { gate: 'memory', outcome: 'failed', figures: { maxRatio: 0.001 } },
    ]);
    const passed = await asking({ maxLatencyRatio: 1_000, maxMemoryRatio: 1_000 });
    expect(passed.gates.map(({ outcome }) => outcome)).toEqual(['passed', 'passed', 'passed']);
  });

  it('refuse where the policy asks for a set and there is none, or for answers that the version never gives', async () => {
    await push(bench.store, fixture('v1'), { name: 'sentiment' });
    const asking = (reference: string, policy: object) =>
      promote(bench.store, parseReference(reference), { to, gates: policy, runGates: gates() }).then(
        () => 'moved',
        (error: unknown) => gatesOf(error).map(({ gate, outcome }) => `${gate} ${outcome}`),
      );
    expect(await asking('sentiment:1', { quality: 'on' })).toEqual(['quality failed']);
    expect(await asking('sentiment:1', { parity: 'on' })).toEqual(['parity failed']);
    const stars = join(bench.folder, 'stars.jsonl');
    await writeFile(stars, JSON.stringify({ text: TEXT, label: '5 stars' }));
    await push(bench.store, fixture('v2'), { name: 'sentiment', evaluation: stars });
    expect(await asking('sentiment:2', {})).toEqual(['quality failed']);
    expect(await bench.store.listAliases()).toEqual([]);
    expect(await asking('sentiment:2', { quality: 'off' })).toBe('moved');
  });
});
