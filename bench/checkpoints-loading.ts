/** What it costs to load a checkpoint that is on this disk, beside a plain session of the exported model. */
import type { QuantizedForm, VersionForm } from '../src/runners/index.js';
import { detectWeightBits, onnxRunnerCommand, quantizeVersion, Runner } from '../src/runners/index.js';
import { cacheCheckpoint, checkpointFolder } from './checkpoints-models.js';
import { quantile, type Figures } from './figures.js';
import { dirtyMemory, loadPlain, plainFile } from './plain.js';

const MB = 1_000_000;

/** Milliseconds of loads, and private memory that each added. */
class Loads {
  readonly #ms: number[] = [];
  readonly #bytes: number[] = [];

  add(ms: number, bytes: number): void {
    this.#ms.push(ms);
    this.#bytes.push(bytes);
  }

  get ms(): number {
    return quantile(this.#ms, 0.5);
  }

  get megabytes(): number {
    return quantile(this.#bytes, 0.5) / MB;
  }
}

/** Loads a version into a fresh runner, as a node does. */
async function loadInRunner(form: VersionForm, into: Loads): Promise<void> {
  const runner = await Runner.start(onnxRunnerCommand());
  try {
    const before = await dirtyMemory(runner.pid);
    const { result } = await runner.call('load', { op: 'load', key: 'base', threads: 1, ...form });
    into.add(result.loadMs, (await dirtyMemory(runner.pid)) - before);
  } finally {
    await runner.close();
  }
}

/** Loads in fresh processes, in turn. */
export async function benchCheckpointLoading(figures: Figures, quick: boolean): Promise<void> {
  figures.heading('Loading BERT-base from the cache, each in a fresh process, in turn');
  const { manifest, segmentsFolder } = await cacheCheckpoint();
  const form = { manifest, segmentsFolder };
  const quantized: QuantizedForm = { precision: 'int8', weightBits: await detectWeightBits() };
  const started = performance.now();
  await quantizeVersion({ ...form, quantized });
  figures.add({ name: 'quantizing it (or finding it quantized)', value: performance.now() - started, unit: 'ms' });
  const [mapped, int8, plain] = [new Loads(), new Loads(), new Loads()];
  for (let round = 0; round < (quick ? 3 : 9); round++) {
    await loadInRunner(form, mapped);
    await loadInRunner({ ...form, quantized }, int8);
    const { loadMs, dirtyBytes } = loadPlain([plainFile(checkpointFolder(1))]);
    plain.add(loadMs[0] ?? Number.NaN, dirtyBytes);
  }
  figures.add({ name: 'load, tokenizer included', value: mapped.ms, unit: 'ms', bar: { most: 100 } });
  figures.add({ name: 'load in int8, tokenizer included', value: int8.ms, unit: 'ms' });
  figures.add({ name: 'plain InferenceSession.create of the export', value: plain.ms, unit: 'ms' });
  figures.add({ name: 'private memory of the load', value: mapped.megabytes, unit: 'MB', bar: { most: 20 } });
  figures.add({ name: 'private memory of the load in int8', value: int8.megabytes, unit: 'MB' });
  figures.add({ name: 'private memory of the plain session', value: plain.megabytes, unit: 'MB' });
}
