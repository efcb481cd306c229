import { lstat, mkdir, mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openModelkeep, openStore, push, type Modelkeep, type VersionStore } from '../../src/app/index.js';
import type { CompileReport } from '../../src/residency/index.js';

const HOT = 5;
let folder = '';
let store: VersionStore;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'modelkeep-hot-'));
  store = await openStore(join(folder, 'store'));
  await push(store, 'test/fixtures/sentiment/v2', { name: 'sentiment' });
});

afterAll(async () => {
  await store.close();
  await rm(folder, { recursive: true, force: true });
});

function open(cacheDir: string, compileAfter = HOT): Promise<Modelkeep> {
  return openModelkeep({ store, cacheDir: join(folder, cacheDir), runners: 2, compileAfter });
}

function report(keep: Modelkeep): Promise<CompileReport> {
  return new Promise((resolve) => keep.parts.residency.once('compiled', resolve));
}

async function sessions(keep: Modelkeep): Promise<number[]> {
  const stats = keep.parts.pool.runners.map((runner) => runner.call('stats', { op: 'stats' }));
  return (await Promise.all(stats)).map(({ result }) => result.sessionsCreated);
}

function score(answer: unknown): number {
  return (answer as readonly { readonly score: number }[])[0]!.score;
}

describe('a version that is asked often', () => {
  it('is compiled while it answers, taken over by every runner, and found by the next node', async () => {
    let plain = 0;
    {
      await using keep = await open('cache');
      plain = score((await keep.predict('sentiment', 'Happy coding !!!')).output);
      const compiled = report(keep);
      const done = new AbortController();
      void compiled.finally(() => done.abort());
      const client = async (): Promise<void> => {
        do await keep.predict('sentiment', 'Happy coding !!!');
        while (!done.signal.aborted);
      };
      await Promise.all([client(), client(), client()]);
      expect((await compiled).error).toBeUndefined();
      expect(await sessions(keep)).toEqual([2, 2]);
      const after = score((await keep.predict('sentiment', 'Happy coding !!!')).output);
      expect(Math.abs(after - plain)).toBeLessThan(1e-5);
    }
    await using next = await open('cache');
    const again = score((await next.predict('sentiment', 'Happy coding !!!')).output);
    expect(Math.abs(again - plain)).toBeLessThan(1e-5);
    expect(next.parts.residency.residents[0]?.compiledFolder).toMatch(/compiled/);
    expect(await sessions(next)).toEqual([1, 1]);
  });

  it('answers on more threads while nothing else is asked, and the same, bit for bit', async () => {
    await using keep = await openModelkeep({ store, cacheDir: join(folder, 'cache'), runners: 1, threads: 1 });
    const text = Array.from({ length: 60 }, (_, at) => (at % 7 === 0 ? 'happy' : 'coding')).join(' ');
    const first = await keep.predict('sentiment', text);
    const [runner] = keep.parts.pool.runners;
    // The runner prepares for it before it answers this.
    const { result } = await runner!.call('stats', { op: 'stats' });
    expect(result.loneSessions).toBe(availableParallelism() > 1 ? 1 : 0);
    expect((await keep.predict('sentiment', text)).output).toEqual(first.output);
    const together = await Promise.all([text, text, 'short'].map((one) => keep.predict('sentiment', one)));
    expect(together[1]?.output).toEqual(first.output);
  });

  it('has no session besides where lone runs are to have no more threads', async () => {
    const options = { store, cacheDir: join(folder, 'cache'), runners: 1, threads: 1, loneThreads: 1 };
    await using keep = await openModelkeep(options);
    await keep.predict('sentiment', 'Happy coding !!!');
    const { result } = await keep.parts.pool.runners[0]!.call('stats', { op: 'stats' });
    expect(result.loneSessions).toBe(0);
  });

  it('is loaded as compiled by a runner that takes another’s place', async () => {
    await using keep = await open('cache');
    await keep.load('sentiment');
    const started = new Promise((resolve) => keep.parts.residency.once('hosted', resolve));
    const replaced = new Promise((resolve) => keep.parts.pool.events.once('joined', resolve));
    keep.parts.pool.runners[0]!.kill();
    await replaced;
    await started;
    expect((await keep.predict('sentiment', 'after the kill')).record.version).toBe(1);
  });

  it('is served as it is where it cannot be compiled', async () => {
    await using keep = await open('refusing');
    await keep.load('sentiment');
    const compiled = join(folder, 'refusing', 'compiled');
    // A file where the folder should be stops root too, whom no permission stops.
    await rm(compiled, { recursive: true });
    await writeFile(compiled, '');
    const failed = report(keep);
    for (let request = 0; request < HOT; request++) await keep.predict('sentiment', `request ${request}`);
    expect((await failed).error).toBeDefined();
    expect((await keep.predict('sentiment', 'still answered')).record.version).toBe(1);
    expect(await sessions(keep)).toEqual([1, 1]);
  });

  it('is loaded as it is where its compiled form cannot be', async () => {
    await using keep = await open('cache');
    const { record } = await keep.predict('sentiment', 'before');
    const [resident] = keep.parts.residency.residents;
    const graph = join(resident!.compiledFolder!, 'model.onnx');
    await keep.parts.residency.release(record.id);
    // Size and time as they were: what the cheap look of a later load cannot see.
    const { size, atime, mtime } = await lstat(graph);
    await writeFile(graph, Buffer.alloc(size));
    await utimes(graph, atime, mtime);
    const troubles: string[] = [];
    keep.parts.residency.on('trouble', (_record, error) => troubles.push(error.code));
    expect((await keep.predict('sentiment', 'after')).record.id).toBe(record.id);
    expect(keep.parts.residency.residents[0]?.compiledFolder).toBeUndefined();
    expect(troubles.length).toBeGreaterThan(0);
  });

  it('is served as it is from a cache in which nothing can be written, with a word on what to do', async () => {
    // A file where the folder of compiled forms would be, as good as a disk that is read-only.
    await mkdir(join(folder, 'sealed'));
    await writeFile(join(folder, 'sealed', 'compiled'), '');
    await using keep = await open('sealed');
    const refused = report(keep);
    await keep.predict('sentiment', 'Happy coding !!!');
    const { error } = await refused;
    expect(error).toMatchObject({ code: 'STORE_UNAVAILABLE' });
    expect(error?.message).toContain('--cache-dir');
    for (let run = 0; run < HOT; run++) await keep.predict('sentiment', 'Happy coding !!!');
    expect(keep.parts.residency.residents[0]?.compiledFolder).toBeUndefined();
  });

  it('is not compiled where nobody asked for that', async () => {
    await using keep = await open('plain', 0);
    for (let request = 0; request < 2 * HOT; request++) await keep.predict('sentiment', `request ${request}`);
    expect(await readdir(join(folder, 'plain'))).not.toContain('compiled');
  });
});
