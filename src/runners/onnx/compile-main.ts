/**
 * The short-lived process that compiles one version: reads a {@link CompileJob} as JSON from its standard input, lets
 * the runtime optimise and pre-pack the graph, and proves on a sample that the result answers as the runtime does without
 * the files, bit for bit. Says what it wrote as a JSON list of files on its standard output.
 */
import { rm } from 'node:fs/promises';
import { constants, setPriority } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import type { CompiledFile } from '../../cache/index.js';
import { asModelkeepError, ModelkeepError, type TensorInfo } from '../../core/index.js';
import type { SessionPlan } from '../../formats/index.js';
import type { CompileJob } from './compile.js';
import { COMPILED_GRAPH, splitCompiled } from './compiled-model.js';
import { packsForItself, planForm } from './form.js';
import { WordRows } from './word-rows.js';

/** Smallest initializer that gets a file of its own, in bytes: what is smaller stays in the graph. */
const OWN_FILE_BYTES = 65_536;
/** Sizes of dimensions that may vary: two sequences of 16 tokens. */
const SAMPLE_DIMS = [2, 16];
/** Tokens in them where places can be left out. */
const SAMPLE_TOKENS = 24;
/** Token ids of the sample stay below this, so that the smallest vocabulary has them. */
const SAMPLE_IDS = 5;

function sampleValue(_: unknown, at: number): number {
  return Math.sin(at + 1);
}

function sampleOf({ name, type, dims }: TensorInfo, filling = 1): Tensor {
  const shape = dims.map((dim, axis) => (dim < 0 ? (SAMPLE_DIMS[axis] ?? 1) : dim));
  const count = shape.reduce((product, dim) => product * dim, 1);
  // The second sequence is filled up.
  const mask = (at: number): number => (at < SAMPLE_TOKENS ? 1 : filling);
  const whole = (at: number): number =>
    name === 'attention_mask' ? mask(at) : name === 'token_type_ids' ? 0 : at % SAMPLE_IDS;
  if (type === 'int64')
    return new Tensor(
      type,
      BigInt64Array.from({ length: count }, (_, at) => BigInt(whole(at))),
      shape,
    );
  if (type === 'int32')
    return new Tensor(
      type,
      Int32Array.from({ length: count }, (_, at) => whole(at)),
      shape,
    );
  if (type === 'float32') return new Tensor(type, Float32Array.from({ length: count }, sampleValue), shape);
  if (type === 'float64') return new Tensor(type, Float64Array.from({ length: count }, sampleValue), shape);
  throw new ModelkeepError(
    'LOAD_FAILED',
    `Input "${name}" is of type ${type}, for which there is no sample to compare by`,
  );
}

interface Answer {
  readonly data: Tensor['data'];
  readonly bytes: Buffer;
}
type Answers = ReadonlyMap<string, Answer>;

async function answersOf(session: InferenceSession, plan: SessionPlan): Promise<Answers> {
  const sample = Object.fromEntries(plan.inputs.map((input) => [input.name, sampleOf(input, plan.filling)]));
  const words = plan.words && new WordRows(plan.words);
  const results = await session.run(words === undefined ? sample : words.addTo(sample));
  words?.close();
  return new Map(
    Object.entries(results).map(([name, { data }]) => {
      const bytes = ArrayBuffer.isView(data)
        ? Buffer.from(data.buffer, data.byteOffset, data.byteLength)
        : Buffer.from(JSON.stringify(data));
      return [name, { data, bytes: Buffer.from(bytes) }];
    }),
  );
}

function folderOf(plan: SessionPlan): Record<string, string> {
  if (plan.externalDataFolder === undefined) return {};
  return { model_external_initializers_file_folder_path: `${plan.externalDataFolder}/` };
}

const COMMON: InferenceSession.SessionOptions = {
  executionProviders: ['cpu'],
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  logSeverityLevel: 3,
};

async function compile({ folder, ...form }: CompileJob): Promise<readonly CompiledFile[]> {
  const plan = await planForm(form);
  const graph = join(folder, 'runtime.onnx');
  const weights = 'runtime.weights';
  // Reloaded with saved pre-packed weights, this operator answers NaN.
  const prepacks = !Buffer.from(plan.graph).includes('MatMulNBits');
  const writing = await InferenceSession.create(plan.graph, {
    ...COMMON,
    optimizedModelFilePath: graph,
    extra: {
      session: {
        ...folderOf(plan),
        optimized_model_external_initializers_file_name: weights,
        optimized_model_external_initializers_min_size_in_bytes: String(OWN_FILE_BYTES),
        ...(prepacks ? { save_external_prepacked_constant_initializers: '1' } : {}),
      },
    },
  });
  await writing.release();
  const files = await splitCompiled(graph, join(folder, weights), folder);
  await rm(graph);
  await rm(join(folder, weights), { force: true });
  const open = async (model: Uint8Array | string, options: InferenceSession.SessionOptions): Promise<Answers> => {
    // The overloads for paths and for bytes do not take either.
    const session = await InferenceSession.create(model as string, options);
    const answers = await answersOf(session, plan);
    await session.release();
    return answers;
  };
  const uncompiled = await open(plan.graph, { ...COMMON, extra: { session: folderOf(plan) } });
  const mapped = await open(plan.graph, {
    ...COMMON,
    extra: { session: { ...folderOf(plan), ...(packsForItself(form.quantized) ? {} : { disable_prepacking: '1' }) } },
  });
  const compiled = await open(join(folder, COMPILED_GRAPH), { ...COMMON, graphOptimizationLevel: 'disabled' });
  compare(uncompiled, mapped, compiled);
  return files;
}

function compare(uncompiled: Answers, mapped: Answers, compiled: Answers): void {
  for (const [name, { bytes }] of uncompiled) {
    const found = compiled.get(name);
    // Pre-packed kernels add in another order than those that read the weights where they lie, so the runtime itself
    // differs in the last bits with and without pre-packing: equal to the former, close to the latter.
    if (found?.bytes.equals(bytes) === true && isClose(mapped.get(name)?.data, found.data)) continue;
    throw new ModelkeepError(
      'GATE_FAILED',
      `Output "${name}" of the compiled version differs: it is served uncompiled`,
    );
  }
}

/** Largest difference of an answer, relative above 1: that by which answers equal those of transformers. */
const TOLERANCE = 1e-5;

function isClose(one: Tensor['data'] | undefined, other: Tensor['data']): boolean {
  if (one?.length !== other.length) return false;
  if (!(one instanceof Float32Array || one instanceof Float64Array)) return true;
  return one.every((value, at) => Math.abs(value - Number(other[at])) <= TOLERANCE * Math.max(1, Math.abs(value)));
}

setPriority(constants.priority.PRIORITY_LOW);
try {
  console.log(JSON.stringify(await compile(JSON.parse(await text(process.stdin)) as CompileJob)));
} catch (error) {
  console.log(JSON.stringify(asModelkeepError(error, 'LOAD_FAILED')));
  process.exitCode = 1;
}
