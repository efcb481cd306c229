import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openModelkeep, openStore, push, type Modelkeep, type VersionStore } from '../../src/app/index.js';
import { SegmentCache } from '../../src/cache/index.js';
import { parseReference } from '../../src/core/index.js';
import { Residency } from '../../src/residency/index.js';
import { onnxRunnerCommand, RunnerPool, type Runner } from '../../src/runners/index.js';

let folder = '';
let store: VersionStore;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'modelkeep-relief-'));
  store = await openStore(join(folder, 'store'));
  await push(store, 'test/fixtures/sentiment/v1', { name: 'a' });
  await push(store, 'test/fixtures/sentiment/v2', { name: 'b' });
});

afterAll(async () => {
  await store.close();
  await rm(folder, { recursive: true, force: true });
});

/** Notes what is asked of each runner from now on, and whether it was serving then. */
function listen({ parts: { pool } }: Modelkeep): { readonly op: string; readonly serving: boolean }[] {
  const heard: { op: string; serving: boolean }[] = [];
  const attach = (runner: Runner): void => {
    const call = runner.call.bind(runner);
    runner.call = (op, message, tensors) => {
      heard.push({ op, serving: pool.runners.includes(runner) });
      return call(op, message, tensors);
    };
  };
  for (const runner of pool.runners) attach(runner);
  return heard;
}

async function underLoad(keep: Modelkeep, reference: string, work: () => Promise<unknown>): Promise<number> {
  const done = new AbortController();
  let answered = 0;
  const client = async (): Promise<void> => {
    while (!done.signal.aborted) {
      await keep.predict(reference, 'Happy coding !!!');
      answered += 1;
    }
  };
  const clients = [client(), client(), client()];
  try {
    await work();
  } finally {
    done.abort();
  }
  await Promise.all(clients);
  return answered;
}

describe('a node with one runner', () => {
  it('loads another version in a fresh process that takes over, so that the one that serves is never kept from it', async () => {
    await using keep = await openModelkeep({ store, cacheDir: join(folder, 'cache'), runners: 1 });
    await keep.load('a');
    const heard = listen(keep);
    const [before] = keep.parts.pool.runners;
    const answered = await underLoad(keep, 'a', () => keep.load('b'));
    expect(answered).toBeGreaterThan(0);
    expect(heard.filter(({ op, serving }) => serving && op !== 'predict')).toEqual([]);
    const [after] = keep.parts.pool.runners;
    expect(after?.pid).not.toBe(before?.pid);
    expect(keep.parts.pool.restarts).toBe(0);
    const { result } = await after!.call('stats', { op: 'stats' });
    expect(result.loaded).toHaveLength(2);
    expect((await keep.predict('a', 'fine')).record.model).toBe('a');
    expect((await keep.predict('b', 'fine')).record.model).toBe('b');
  });

  it('takes a compiled form over in the same way', async () => {
    await using keep = await openModelkeep({ store, cacheDir: join(folder, 'hot'), runners: 1, compileAfter: 3 });
    await keep.load('a');
    const heard = listen(keep);
    const compiled = once(keep.parts.residency, 'compiled');
    await underLoad(keep, 'a', () => compiled);
    const [report] = (await compiled) as [{ readonly error?: Error }];
    expect(report.error).toBeUndefined();
    expect(heard.filter(({ op, serving }) => serving && op !== 'predict')).toEqual([]);
    expect(keep.parts.residency.residents[0]?.compiledFolder).toBeDefined();
  });

  it('holds both versions though the process that took over is killed at once', async () => {
    await using keep = await openModelkeep({ store, cacheDir: join(folder, 'cache'), runners: 1 });
    await keep.load('a');
    const [before] = keep.parts.pool.runners;
    keep.parts.pool.events.once('joined', (fresh) => fresh.kill());
    await keep.load('b');
    expect((await keep.predict('a', 'fine')).record.model).toBe('a');
    expect((await keep.predict('b', 'fine')).record.model).toBe('b');
    expect(before?.alive).toBe(false);
  });
});

describe('a runner that keeps memory which no version accounts for', () => {
  it('is relieved when a version leaves it, by a process that holds what stays', async () => {
    const pool = await RunnerPool.open({ command: onnxRunnerCommand(), size: 2 });
    const cache = await SegmentCache.open({ directory: join(folder, 'cache'), maxBytes: 1e9 });
    // Not even nothing may be kept.
    const residency = new Residency({ store, cache, pool, threads: 1, keptBytes: -1 });
    try {
      const a = await residency.ensure(await store.resolve(parseReference('a')));
      const b = await residency.ensure(await store.resolve(parseReference('b')));
      const before = new Set(pool.runners.map(({ pid }) => pid));
      await residency.release(b.record.id);
      const after = pool.runners.map(({ pid }) => pid);
      expect(after.filter((pid) => before.has(pid))).toEqual([]);
      expect(a.state).toBe('ready');
      expect(new Set([...a.runners].map(({ pid }) => pid))).toEqual(new Set(after));
      expect(pool.restarts).toBe(0);
    } finally {
      await residency.close();
      await pool.close();
    }
  });
});
