import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { SessionPlan } from '../../../src/formats/index.js';
import { detectWeightBits } from '../../../src/runners/index.js';
import { WordRows } from '../../../src/runners/onnx/word-rows.js';
import { segmentModel } from './segments-on-disk.js';
import { goldenRows, largestGap, numbers, openSession, runBatch, type GoldenRow } from './session.js';

const FIXTURES = join(import.meta.dirname, '../../fixtures');
const ARCHS = readdirSync(join(FIXTURES, 'archs'), { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && entry.name !== 'heads')
  .map(({ name }) => name);

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'modelkeep-quantized-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

function padIdOf(directory: string): number {
  const { pad_token_id: padId } = JSON.parse(readFileSync(join(directory, 'config.json'), 'utf8')) as {
    pad_token_id: number;
  };
  return padId;
}

function dot(x: readonly number[], y: readonly number[]): number {
  return x.reduce((sum, value, at) => sum + value * (y[at] ?? Number.NaN), 0);
}

function digests({ derived }: SessionPlan): string[] {
  return derived.map(({ digest }) => digest);
}

function cosine(a: readonly number[], b: readonly number[]): number {
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
}

function top(values: readonly number[]): number {
  return values.indexOf(Math.max(...values));
}

/** How near a plan's answers are to the reference's, one by one; and whether a batch gives the same bits. */
async function agreement(plan: SessionPlan, rows: readonly GoldenRow[], padId: number) {
  const session = await openSession(plan);
  try {
    const answers: number[][] = [];
    for (const row of rows) answers.push(numbers(await runBatch(session, [row], padId), 'logits'));
    const batch = numbers(await runBatch(session, rows, padId), 'logits');
    const cosines = answers.map((answer, at) => cosine(answer, rows[at]?.logits ?? []));
    const agreeing = answers.filter((answer, at) => top(answer) === top(rows[at]?.logits ?? []));
    return {
      mean: cosines.reduce((sum, one) => sum + one, 0) / rows.length,
      sameTop: agreeing.length / rows.length,
      sameBits: largestGap(batch, answers.flat()) === 0,
    };
  } finally {
    await session.release();
  }
}

/** Random weights leave labels close to each other, so that a small change swaps some; trained ones are apart. */
const RANDOM = ARCHS.map((name) => ({ name: `archs/${name}`, mean: 0.98, sevenBits: 0.96, sameTop: 0.8 }));
const TRAINED = ['v1', 'v2', 'v3-head'].map((name) => {
  return { name: `sentiment/${name}`, mean: 0.98, sevenBits: 0.98, sameTop: 0.95 };
});
/** Bits with which the sums of this machine do not overflow: a node takes no others by itself. */
const BITS = await detectWeightBits();
const FORMS = [
  ['int8', BITS],
  ['int8', 7],
  ['int8-fast', BITS],
  ['int8-weights', 8],
  ['int8-weights', 7],
  ['int8+embeddings', BITS],
] as const;
/** Rows that are compared: short and long ones, and pairs where the model takes them. */
const COMPARED = 24;

test.each([...RANDOM, ...TRAINED])('$name answers nearly as the reference', async (bars) => {
  const directory = join(FIXTURES, bars.name);
  const rows = goldenRows(join(directory, 'golden.jsonl')).slice(-COMPARED);
  const padId = padIdOf(directory);
  const model = await segmentModel(directory, folder);
  for (const [precision, bits] of FORMS) {
    const found = await agreement(await model.plan(precision, bits), rows, padId);
    expect(found.mean, `${precision} with ${bits} bits`).toBeGreaterThan(bits === 8 ? bars.mean : bars.sevenBits);
    expect(found.mean, `${precision} with ${bits} bits`).toBeLessThan(1);
    expect(found.sameTop, `${precision} with ${bits} bits`).toBeGreaterThanOrEqual(bars.sameTop);
    // What else is in a batch changes an answer only where all of it shares one scale.
    expect(found.sameBits, `${precision} with ${bits} bits`).toBe(precision !== 'int8-fast');
  }
});

const HEADS = join(FIXTURES, 'archs/heads');
type HeadRow = GoldenRow & Record<string, readonly number[]>;

test.each(readdirSync(HEADS))('%s in int8 answers nearly as the reference', async (name) => {
  const directory = join(HEADS, name);
  const plan = await (await segmentModel(directory, folder)).plan('int8+embeddings', BITS);
  const session = await openSession(plan);
  const rows = JSON.parse(readFileSync(join(directory, 'golden.json'), 'utf8')) as HeadRow[];
  const padId = padIdOf(directory);
  for (const row of rows) {
    const found = await runBatch(session, [row], padId);
    for (const output of plan.outputs)
      expect(cosine(numbers(found, output.name), row[output.name] ?? []), `output ${output.name}`).toBeGreaterThan(
        BITS === 8 ? 0.97 : 0.94,
      );
  }
  await session.release();
  expect(plan.derived.length).toBeGreaterThan(0);
});

test.each(ARCHS)('archs/%s answers the same bits where its words are read apart from the graph', async (name) => {
  const directory = join(FIXTURES, 'archs', name);
  const rows = goldenRows(join(directory, 'golden.jsonl')).slice(-COMPARED);
  const padId = padIdOf(directory);
  const model = await segmentModel(directory, folder);
  for (const precision of ['fp32', 'int8', 'int8+embeddings'] as const) {
    const whole = await model.plan(precision);
    const apart = await model.plan(precision, 8, 0);
    expect(whole.words).toBeUndefined();
    expect(apart.words?.dtype).toBe(precision === 'int8+embeddings' ? 'I8' : 'F32');
    const [session, other] = [await openSession(whole), await openSession(apart)];
    const words = new WordRows(apart.words!);
    const expected = await runBatch(session, rows, padId, whole.filling);
    const found = await runBatch(other, rows, padId, apart.filling, words);
    expect({ precision, logits: numbers(found, 'logits') }).toEqual({ precision, logits: numbers(expected, 'logits') });
    words.close();
    await Promise.all([session.release(), other.release()]);
  }
});

test('equal tensors of two versions, and of two precisions, are one file', async () => {
  const first = await (await segmentModel(join(FIXTURES, 'sentiment/v2'), folder)).plan('int8');
  const second = await (await segmentModel(join(FIXTURES, 'sentiment/v3-head'), folder)).plan('int8');
  const fast = await (await segmentModel(join(FIXTURES, 'sentiment/v2'), folder)).plan('int8-fast');
  expect(digests(second)).toEqual(digests(first));
  expect(digests(fast)).toEqual(digests(first));
  const seven = await (await segmentModel(join(FIXTURES, 'sentiment/v2'), folder)).plan('int8', 7);
  expect(digests(seven).some((digest) => digests(first).includes(digest))).toBe(false);
});

test('the same version and precision give the same graph', async () => {
  const model = await segmentModel(join(FIXTURES, 'sentiment/v1'), folder);
  const [one, two] = [await model.plan('int8'), await model.plan('int8')];
  expect(Buffer.from(one.graph).equals(two.graph)).toBe(true);
});

test('an ONNX file has no other precision than its own', async () => {
  const model = await segmentModel(join(FIXTURES, 'sentiment/v2-onnx'), folder);
  await expect(model.plan('int8')).rejects.toMatchObject({ code: 'UNSUPPORTED_FORMAT' });
});
