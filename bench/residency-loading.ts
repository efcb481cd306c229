/** What a load costs: of a version that is resident, and of BERT-base that is in the cache. */
import { join } from 'node:path';
import { CompiledCache } from '../src/cache/index.js';
import { digestOf, parseReference } from '../src/core/index.js';
import { COMPILED_GRAPH, compileTarget, compileVersion, onnxRunnerCommand, Runner } from '../src/runners/index.js';
import { quantile, type Figures } from './figures.js';
import { BENCH_FOLDER, openNode } from './node.js';
import { dirtyMemory, loadPlain, plainFile } from './plain.js';

const MB = 1_000_000;
/** Calls that are timed together, because the clock is coarser than one. */
const CALLS = 1_000;

async function microsecondsPerCall(calls: number, rounds: number, call: () => Promise<unknown>): Promise<number> {
  const times: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const started = performance.now();
    for (let at = 0; at < calls; at++) await call();
    times.push(((performance.now() - started) * 1_000) / calls);
  }
  return quantile(times, 0.5);
}

/** Loads a version from the cache into a fresh runner process. */
async function loadInRunner(
  message: Parameters<Runner['call']>[1] & { op: 'load' },
): Promise<{ readonly ms: number; readonly bytes: number }> {
  const runner = await Runner.start(onnxRunnerCommand());
  try {
    const before = await dirtyMemory(runner.pid);
    const { result } = await runner.call('load', message);
    return { ms: result.loadMs, bytes: (await dirtyMemory(runner.pid)) - before };
  } finally {
    await runner.close();
  }
}

/** Figures of one resident version and of loading it. */
export async function benchLoading(figures: Figures, quick: boolean): Promise<void> {
  await using keep = await openNode();
  const reference = 'base-1:1';
  await keep.load(reference);
  figures.heading('keep.load(ref) of a resident version, median');
  const warm = await microsecondsPerCall(CALLS, 200, () => keep.load(reference));
  const asked = await microsecondsPerCall(50, 20, () => keep.load(reference, { freshness: 'checked' }));
  figures.add({ name: 'load of a resident version', value: warm, unit: 'µs', bar: { most: 1 } });
  figures.add({ name: 'the same with a query per call (embedded store)', value: asked, unit: 'µs' });

  figures.heading('Loading BERT-base, each in a fresh process, in turn');
  const record = await keep.store.resolve(parseReference(reference));
  const manifest = await keep.store.readManifest(record);
  const segmentsFolder = join(BENCH_FOLDER, 'node', 'segments');
  const plain = plainFile(join(BENCH_FOLDER, 'base-1'));
  const target = await compileTarget();
  const compiled = await CompiledCache.open({ directory: join(BENCH_FOLDER, 'node'), target });
  const started = performance.now();
  const folder = await compiled.ensure(record.digest ?? digestOf(''), (into) =>
    compileVersion({ manifest, segmentsFolder, folder: into }),
  );
  figures.add({ name: 'compiling it (or finding it compiled)', value: performance.now() - started, unit: 'ms' });
  const compiledMs: number[] = [];
  const compiledBytes: number[] = [];
  const mappedMs: number[] = [];
  const plainMs: number[] = [];
  const mappedBytes: number[] = [];
  const plainBytes: number[] = [];
  for (let round = 0; round < (quick ? 3 : 7); round++) {
    const mapped = await loadInRunner({ op: 'load', key: record.id, manifest, segmentsFolder, threads: 1 });
    const other = loadPlain([plain]);
    const ready = loadPlain([join(folder, COMPILED_GRAPH)], 'compiled');
    compiledMs.push(ready.loadMs[0] ?? Number.NaN);
    // In a runner, whose allocator keeps no more than it is told; a bare process kept 16 MB more in every other round.
    const inRunner = {
      op: 'load',
      key: record.id,
      manifest,
      segmentsFolder,
      threads: 1,
      compiledFolder: folder,
    } as const;
    compiledBytes.push((await loadInRunner(inRunner)).bytes);
    mappedMs.push(mapped.ms);
    mappedBytes.push(mapped.bytes);
    plainMs.push(other.loadMs[0] ?? Number.NaN);
    plainBytes.push(other.privateBytes);
  }
  const mapped = quantile(mappedMs, 0.5);
  const created = quantile(plainMs, 0.5);
  figures.add({ name: 'mapped load, tokenizer included', value: mapped, unit: 'ms' });
  figures.add({ name: 'plain InferenceSession.create, no tokenizer', value: created, unit: 'ms' });
  figures.add({ name: 'mapped / plain', value: mapped / created, unit: '×', bar: { most: 0.2 } });
  const own = quantile(compiledMs, 0.5);
  figures.add({ name: 'compiled InferenceSession.create, no tokenizer', value: own, unit: 'ms' });
  figures.add({ name: 'compiled / plain', value: own / created, unit: '×', bar: { most: 0.5 } });
  figures.add({
    name: 'private memory of the compiled load',
    value: quantile(compiledBytes, 0.5) / MB,
    unit: 'MB',
    bar: { most: 25 },
  });
  figures.add({
    name: 'private memory of the mapped load',
    value: quantile(mappedBytes, 0.5) / MB,
    unit: 'MB',
    bar: { most: 25 },
  });
  figures.add({ name: 'private memory of the plain session', value: quantile(plainBytes, 0.5) / MB, unit: 'MB' });
}
