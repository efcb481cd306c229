/** Throughput of a compiled checkpoint, in fp32 and in 8 bits, beside the exported model on the same thread. */
import { join } from 'node:path';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { CompiledCache } from '../src/cache/index.js';
import { digestOf, type Precision } from '../src/core/index.js';
import {
  COMPILED_GRAPH,
  compileTarget,
  compileVersion,
  detectWeightBits,
  formKey,
  planForm,
  quantizeVersion,
  WordRows,
  type QuantizedForm,
} from '../src/runners/index.js';
import { cacheCheckpoint, checkpointFolder, type CachedCheckpoint } from './checkpoints-models.js';
import { quantile, type Figures } from './figures.js';
import { plainFile } from './plain.js';

/** Sequences and tokens of a run: a lone short request, a lone longer one, a long one, and a batch. */
const SHAPES = [
  [1, 16],
  [1, 64],
  [1, 256],
  [8, 64],
] as const;

const COMMON: InferenceSession.SessionOptions = {
  executionProviders: ['cpu'],
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  logSeverityLevel: 3,
  extra: { session: { 'intra_op.allow_spinning': '0' } },
};

/** A session, and what looks its words up where the graph does not. */
interface Opened {
  readonly session: InferenceSession;
  readonly words?: WordRows | undefined;
}

/** The compiled form, as a node makes and loads it. */
async function openCompiled(
  { record, manifest, segmentsFolder, cacheFolder }: CachedCheckpoint,
  precision: Precision,
): Promise<Opened> {
  const quantized: QuantizedForm | undefined =
    precision === 'fp32' ? undefined : { precision, weightBits: await detectWeightBits() };
  if (quantized !== undefined) await quantizeVersion({ manifest, segmentsFolder, quantized });
  const cache = await CompiledCache.open({ directory: cacheFolder, target: await compileTarget() });
  const key = formKey(record.digest ?? digestOf(''), quantized);
  const form = { manifest, segmentsFolder, ...(quantized === undefined ? {} : { quantized }) };
  const folder = await cache.ensure(key, (into) => compileVersion({ ...form, folder: into }));
  const { words } = await planForm(form);
  const options: InferenceSession.SessionOptions = { ...COMMON, graphOptimizationLevel: 'disabled' };
  const session = await InferenceSession.create(join(folder, COMPILED_GRAPH), options);
  return { session, words: words && new WordRows(words) };
}

function feedsOf(rows: number, tokens: number): Record<string, Tensor> {
  const cells = rows * tokens;
  const of = (valueAt: (at: number) => number): Tensor =>
    new Tensor(
      'int64',
      BigInt64Array.from({ length: cells }, (_, at) => BigInt(valueAt(at))),
      [rows, tokens],
    );
  return {
    input_ids: of((at) => 5 + ((at * 7_919) % 30_000)),
    attention_mask: of(() => 1),
    token_type_ids: of(() => 0),
  };
}

/** Milliseconds of each session's runs, in turn, so that what else the machine does meets all of them. */
async function timesOf(sessions: readonly Opened[], rounds: number, rows: number, tokens: number) {
  const times = sessions.map((): number[] => []);
  for (let round = -1; round < rounds; round++) {
    for (const [at, { session, words }] of sessions.entries()) {
      const feeds = feedsOf(rows, tokens);
      const started = performance.now();
      await session.run(words?.addTo(feeds) ?? feeds);
      // The first round brings pages into memory.
      if (round >= 0) times[at]?.push(performance.now() - started);
    }
  }
  return times;
}

/** One session of one thread each, of the export, of compiled fp32 and of compiled 8-bit forms. */
export async function benchSpeed(figures: Figures, quick: boolean): Promise<void> {
  const checkpoint = await cacheCheckpoint();
  const others = ['int8', 'int8-fast', 'int8-weights'] as const;
  const sessions: Opened[] = [
    { session: await InferenceSession.create(plainFile(checkpointFolder(1)), COMMON) },
    await openCompiled(checkpoint, 'fp32'),
  ];
  for (const precision of others) sessions.push(await openCompiled(checkpoint, precision));
  const vnni = (await detectWeightBits()) === 8;
  figures.heading('Sequences a second, one session of one thread each, runs in turn; figures are ratios to …');
  const sums = sessions.map(() => 0);
  for (const [rows, tokens] of SHAPES) {
    const times = await timesOf(sessions, quick ? 5 : 15, rows, tokens);
    const medians = times.map((each) => quantile(each, 0.5));
    for (const [at, median] of medians.entries()) sums[at] = (sums[at] ?? 0) + median / (medians[0] ?? 1);
    const shape = `${rows} × ${tokens} tokens`;
    const [exported = 0, fp32 = 0, ...rest] = medians;
    figures.add({ name: `export, ${shape}`, value: (rows * 1_000) / exported, unit: '/s' });
    figures.add({ name: `fp32 / export, ${shape}`, value: exported / fp32, unit: '×' });
    for (const [at, precision] of others.entries())
      figures.add({ name: `${precision} / fp32, ${shape}`, value: fp32 / (rest[at] ?? Number.NaN), unit: '×' });
  }
  // Each shape weighs the same: the time of a run of each, in runs of the export.
  const [exported = 0, fp32 = 0, int8 = 0] = sums;
  figures.add({ name: 'fp32 / export, all shapes', value: exported / fp32, unit: '×', bar: { least: 0.97 } });
  figures.add({
    name: `int8 / fp32, all shapes${vnni ? '' : ' (no VNNI: no bar)'}`,
    value: fp32 / int8,
    unit: '×',
    ...(vnni ? { bar: { least: 2 } } : {}),
  });
  for (const { session, words } of sessions) {
    await session.release();
    words?.close();
  }
}
