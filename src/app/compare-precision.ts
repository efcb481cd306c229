import { join } from 'node:path';
import {
  checkPrecision,
  ModelkeepError,
  type Abortable,
  type Precision,
  type Tensor,
  type VersionRecord,
  type VersionStore,
} from '../core/index.js';
import { openSegmentFiles } from '../formats/index.js';
import { openTask, type Encoding, type OpenTask, type TaskRequest } from '../tasks/index.js';
import type { Model } from './model.js';
import { openModelkeep, type OpenOptions } from './open.js';
import { SETTINGS } from './settings.js';
import { agreementOf, decisionsOf, vectorOf, type OutputTensors } from './parity.js';

/** Options of {@link comparePrecision}. */
export interface ComparePrecisionOptions extends Abortable, Omit<OpenOptions, 'store' | 'precision' | 'compileAfter'> {
  /** What is compared with fp32. @defaultValue 'int8' */
  readonly precision?: Exclude<Precision, 'fp32'>;
  /** Called with the requests that were asked so far, of all that will be. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** A version in two precisions on the same texts. */
export interface PrecisionComparison {
  readonly record: VersionRecord;
  readonly precision: Exclude<Precision, 'fp32'>;
  readonly texts: number;
  /** Of the model's outputs for each text, or of its vectors where vectors are its answer; 1 is the same direction. */
  readonly cosine: { readonly mean: number; readonly min: number };
  /**
   * Share of decisions for the same best label: one a text, or a token, or the begin and the end of an answer. Absent
   * for models that choose nothing.
   */
  readonly topLabel?: { readonly agreement: number; readonly decisions: number };
  /** Texts a second with many under way, the middle one of several passes in turn; of plain forms, not compiled ones. */
  readonly textsPerSecond: { readonly fp32: number; readonly other: number; readonly ratio: number };
}

/** Passes over the texts in each precision, in turn, so that what else the machine does meets both. */
const PASSES = 3;
/** Plain forms on both sides: compiling one of them meanwhile would slow both down. */
const PLAIN = Object.freeze({ compileAfter: 0, compile: false });
/** Requests that are under way at once while speed is measured. */
const IN_FLIGHT = 64;
/** Tasks whose answers are vectors. */
const VECTOR_TASKS = new Set(['sentence-embeddings', 'feature-extraction']);

/** A version in one precision, ready to be asked. */
interface Side {
  readonly model: Model;
  readonly inputs: ReadonlySet<string>;
}

/**
 * Asks a version the same texts in fp32 and in another precision.
 *
 * @param requests inputs of the version's task; all are held in memory
 * @throws ModelkeepError `INVALID_INPUT` for no texts, for fp32 itself and for a model that takes tensors only or is no
 * checkpoint; what loading and asking the version says
 */
export async function comparePrecision(
  store: VersionStore,
  reference: string,
  requests: readonly TaskRequest[],
  options: ComparePrecisionOptions = {},
): Promise<PrecisionComparison> {
  const { precision: chosen = 'int8', signal, onProgress, ...rest } = options;
  const precision = checkPrecision(chosen);
  if (precision === 'fp32') throw invalid('fp32 is what others are compared with: choose another precision');
  if (requests.length === 0) throw invalid('There are 0 texts: give at least one');
  const abortable = signal === undefined ? {} : { signal };
  await using exactKeep = await openModelkeep({ ...rest, ...PLAIN, store, precision: 'fp32' });
  const model = await exactKeep.load(reference, abortable);
  const { record } = model;
  if (record.format !== 'hf' || record.task === undefined)
    throw invalid(`${String(model)} has one precision: others are made from checkpoints with a tokenizer`);
  await using otherKeep = await openModelkeep({ ...rest, ...PLAIN, store, precision });
  const { inputs } = await exactKeep.parts.service.describe(String(model), abortable);
  const names = new Set(inputs.map(({ name }) => name));
  const exact = { model, inputs: names };
  const other = { model: await otherKeep.load(String(model), abortable), inputs: names };
  const manifest = await store.readManifest(record, abortable);
  const segments = join(rest.cacheDir ?? SETTINGS.cacheDir.defaultValue, 'segments');
  const task = await openTask(openSegmentFiles(manifest, segments), { task: record.task });
  const total = requests.length * (1 + PASSES);
  const parity = await compareAnswers([exact, other], task, requests, (done) => onProgress?.(done, total), abortable);
  const speed = await compareSpeed(
    [exact, other],
    requests,
    (done) => onProgress?.(requests.length + done, total),
    abortable,
  );
  return { record, precision, texts: requests.length, ...parity, textsPerSecond: speed };
}

function invalid(message: string): ModelkeepError {
  return new ModelkeepError('INVALID_INPUT', message);
}

/** Cosines and agreement, one text after another. */
async function compareAnswers(
  [exact, other]: readonly [Side, Side],
  task: OpenTask,
  requests: readonly TaskRequest[],
  onDone: (done: number) => void,
  options: Abortable,
): Promise<Pick<PrecisionComparison, 'cosine' | 'topLabel'>> {
  const parity = agreementOf();
  for (const [at, request] of requests.entries()) {
    if (VECTOR_TASKS.has(task.name)) {
      const asking = { ...options, ...(request.parameters === undefined ? {} : { parameters: request.parameters }) };
      const [a, b] = [
        await exact.model.predict(request.inputs, asking),
        await other.model.predict(request.inputs, asking),
      ];
      parity.add(vectorOf(a), vectorOf(b), [], []);
    } else {
      for (const encoding of (await prepare(task, request, at)).encodings) {
        const a = await outputsOf(exact, encoding, options);
        const b = await outputsOf(other, encoding, options);
        parity.add(vectorOf(a), vectorOf(b), decisionsOf(a), decisionsOf(b));
      }
    }
    onDone(at + 1);
  }
  return parity.finish();
}

async function prepare(task: OpenTask, request: TaskRequest, at: number) {
  try {
    return await task.prepare(request);
  } catch (error) {
    if (!(error instanceof ModelkeepError)) throw error;
    throw new ModelkeepError(error.code, `Text ${at + 1}: ${error.message}`, { cause: error, details: error.details });
  }
}

/** The model's own outputs for one sequence. */
async function outputsOf(
  { model, inputs }: Side,
  { ids, typeIds }: Encoding,
  options: Abortable,
): Promise<OutputTensors> {
  const row = (valueAt: (at: number) => number): Tensor => {
    const data = BigInt64Array.from({ length: ids.length }, (_, at) => BigInt(valueAt(at)));
    return { type: 'int64', dims: [1, ids.length], data };
  };
  const all: Record<string, Tensor> = {
    input_ids: row((at) => ids[at] ?? 0),
    attention_mask: row(() => 1),
    token_type_ids: row((at) => typeIds?.[at] ?? 0),
  };
  const tensors = Object.fromEntries(Object.entries(all).filter(([name]) => inputs.has(name)));
  return (await model.infer({ tensors }, options)).tensors;
}

async function compareSpeed(
  sides: readonly [Side, Side],
  requests: readonly TaskRequest[],
  onDone: (done: number) => void,
  options: Abortable,
): Promise<PrecisionComparison['textsPerSecond']> {
  const speeds: [number[], number[]] = [[], []];
  let done = 0;
  for (let pass = 0; pass < PASSES; pass++) {
    for (const [side, { model }] of sides.entries()) {
      const startedMs = performance.now();
      for await (const _ of model.predictMany(requests, { ...options, inFlight: IN_FLIGHT })) {
        done += 1;
        onDone(done / sides.length);
      }
      speeds[side === 0 ? 0 : 1].push((requests.length * 1_000) / (performance.now() - startedMs));
    }
  }
  const [fp32, other] = [median(speeds[0]), median(speeds[1])];
  return { fp32, other, ratio: other / fp32 };
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.trunc(values.length / 2)] ?? Number.NaN;
}
