import { readFile, readdir } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { push, type AliasTraffic, type Modelkeep } from '../../src/app/index.js';
import type { ShadowReport } from '../../src/serving/index.js';
import { until } from '../unit/runners/processes.js';
import { Bench, fixture, goldensOf } from './node-bench.js';

let bench: Bench;
beforeEach(async () => {
  bench = await Bench.open();
  for (const name of ['v1', 'v2', 'v4-bad'] as const) await push(bench.store, fixture(name), { name: 'sentiment' });
  await bench.store.moveAlias({ model: 'sentiment', alias: 'production', to: 2 });
});
afterEach(() => bench.close());

const REFERENCE = 'sentiment@production';
const TEXT = 'Absolutely wonderful, I loved every minute of it!';
const share = (traffic: AliasTraffic | null) =>
  bench.store.changeAlias({ model: 'sentiment', alias: 'production', traffic });
const halves = (...versions: readonly [number, number]): AliasTraffic => ({
  kind: 'split',
  shares: versions.map((version) => ({ version, percent: 50 })),
});
const followed = (keep: Modelkeep) => keep.status().follows.find(({ reference }) => reference === REFERENCE);
const answeredBy = async (keep: Modelkeep, key: string): Promise<number> =>
  (await keep.predict(REFERENCE, TEXT, { key })).record.version;
const KEYS = Array.from({ length: 40 }, (_, at) => `user-${at}`);

describe('a split', () => {
  it('gives each key its version, follows a change of the shares, and ends when the alias is moved', async () => {
    await share(halves(2, 1));
    const [keep, other] = [await bench.node({ runners: 1 }), await bench.node({ runners: 1 })];
    const first = await Promise.all(KEYS.map((key) => answeredBy(keep, key)));
    expect(new Set(first)).toEqual(new Set([1, 2]));
    // The same on every node, and again.
    expect(await Promise.all(KEYS.map((key) => answeredBy(other, key)))).toEqual(first);
    expect(await Promise.all(KEYS.map((key) => answeredBy(keep, key)))).toEqual(first);
    await share(halves(2, 3));
    await until('the other half goes to version 3', () => followed(keep)?.shares?.at(-1)?.version === 3);
    // Who had the alias's own version keeps it.
    const second = await Promise.all(KEYS.map((key) => answeredBy(keep, key)));
    expect(second).toEqual(first.map((version) => (version === 1 ? 3 : 2)));
    await until('version 1 is let go', () => keep.status().holds.every(({ version }) => version !== 1));
    await bench.store.moveAlias({ model: 'sentiment', alias: 'production', to: 3 });
    await until('version 3 answers alone', () => followed(keep)?.version === 3 && followed(keep)?.shares === undefined);
    expect(new Set(await Promise.all(KEYS.map((key) => answeredBy(keep, key))))).toEqual(new Set([3]));
    await until('version 2 is let go', () => keep.status().holds.every(({ version }) => version === 3));
  });

  it('loses no request while shares change under load', async () => {
    const keep = await bench.node();
    await keep.load(REFERENCE);
    const stop = new AbortController();
    const versions = new Set<number>();
    const clients = Array.from({ length: 4 }, async (_, client) => {
      while (!stop.signal.aborted) versions.add(await answeredBy(keep, `client-${client}-${versions.size}`));
    });
    for (const traffic of [halves(2, 1), halves(2, 3), null]) {
      await share(traffic);
      const wanted = traffic === null ? undefined : 2;
      await until('the shares are taken over', () => followed(keep)?.shares?.length === wanted);
    }
    stop.abort();
    await Promise.all(clients);
    expect(versions.has(2)).toBe(true);
  });

  it('is chosen by the key also for a model that is loaded', async () => {
    await share(halves(2, 1));
    const keep = await bench.node({ runners: 1 });
    expect((await keep.load(REFERENCE)).version).toBe(2);
    for (const key of KEYS.slice(0, 5))
      expect((await keep.load(REFERENCE, { key })).version).toBe(await answeredBy(keep, key));
  });
});

/** The processes that this one has started, but for the runners that answer. */
async function shadowProcesses(keep: Modelkeep, before: ReadonlySet<number>): Promise<number[]> {
  const answering = new Set(keep.status().runners.map(({ pid }) => pid));
  return [...(await children())].filter((pid) => !answering.has(pid) && !before.has(pid));
}

async function children(): Promise<Set<number>> {
  const found = new Set<number>();
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    // A process may end while it is looked at.
    const stat = await readFile(`/proc/${entry}/stat`, 'utf8').catch(() => '');
    if (Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]) === process.pid) found.add(Number(entry));
  }
  return found;
}

describe.skipIf(process.platform !== 'linux')('a shadow', () => {
  it('is compared with what was answered, and never holds an answer up, even if it hangs', async () => {
    const before = await children();
    await share({ kind: 'shadow', version: 3 });
    const keep = await bench.node({ runners: 1 });
    const reports: ShadowReport[] = [];
    keep.parts.service.on('compared', (report) => reports.push(report));
    const goldens = (await goldensOf('v2')).slice(0, 12);
    for (const { text, label } of goldens) {
      const { output, record } = await keep.predict(REFERENCE, text);
      expect(record.version).toBe(2);
      expect((output as { label: string }[])[0]?.label).toBe(label);
    }
    await until('all are compared', () => reports.length === goldens.length);
    const bad = await goldensOf('v4-bad');
    const differ = goldens.filter(({ label }, at) => label !== bad[at]?.label).length;
    expect(differ).toBeGreaterThan(0);
    expect(reports.filter(({ outcome }) => outcome === 'different')).toHaveLength(differ);
    expect(reports.filter(({ outcome }) => outcome === 'same')).toHaveLength(goldens.length - differ);
    expect(reports[0]).toMatchObject({ reference: REFERENCE, record: { version: 2 }, shadow: { version: 3 } });

    const [hanging, more] = await shadowProcesses(keep, before);
    expect(more).toBeUndefined();
    process.kill(hanging ?? Number.NaN, 'SIGSTOP');
    try {
      // More than may wait: the rest is dropped, and each is answered all the same.
      for (let asked = 0; asked < 100; asked += 1) await keep.predict(REFERENCE, TEXT);
      expect(reports.filter(({ outcome }) => outcome === 'dropped')).toHaveLength(100 - 64);
    } finally {
      process.kill(hanging ?? Number.NaN, 'SIGCONT');
    }
    await until('the others are compared', () => reports.length === goldens.length + 100);
    expect(reports.some(({ outcome }) => outcome === 'failed')).toBe(false);
  });

  it('that cannot be loaded is counted as failed, and the answers go on', async () => {
    await bench.store.changeAlias({ model: 'sentiment', alias: 'production', traffic: { kind: 'shadow', version: 3 } });
    const keep = await bench.node({
      runners: 1,
      store: new Proxy(bench.store, {
        get: (target, name) => {
          const value: unknown = Reflect.get(target, name);
          if (name !== 'readManifest') return typeof value === 'function' ? value.bind(target) : value;
          return async (record: { version: number }, ...rest: never[]) => {
            if (record.version === 3) throw new Error('its manifest cannot be read');
            return Reflect.apply(value as () => unknown, target, [record, ...rest]);
          };
        },
      }),
    });
    const reports: ShadowReport[] = [];
    keep.parts.service.on('compared', (report) => reports.push(report));
    expect((await keep.predict(REFERENCE, TEXT)).record.version).toBe(2);
    await until('it has failed', () => reports.length === 1);
    expect(reports[0]).toMatchObject({ outcome: 'failed', error: { code: 'LOAD_FAILED' } });
    expect((await keep.predict(REFERENCE, TEXT)).record.version).toBe(2);
  });
});
