import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  openModelkeep,
  openStore,
  parseReference,
  push,
  show,
  type Modelkeep,
  type OpenOptions,
  type VersionStore,
} from '../../src/app/index.js';
import type { CompileReport } from '../../src/residency/index.js';
import { goldensOf } from './node-bench.js';

let folder = '';
let store: VersionStore;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'modelkeep-precision-'));
  store = await openStore(join(folder, 'store'));
  await push(store, 'test/fixtures/sentiment/v2', { name: 'sentiment' });
  await push(store, 'test/fixtures/sentiment/v2', { name: 'sentiment', precision: 'int8' });
  await push(store, 'test/fixtures/sentiment/v2-onnx', { name: 'onnx' });
});

afterAll(async () => {
  await store.close();
  await rm(folder, { recursive: true, force: true });
});

function open(options: OpenOptions = {}): Promise<Modelkeep> {
  return openModelkeep({ store, cacheDir: join(folder, 'cache'), runners: 1, threads: 1, ...options });
}

async function scores(keep: Modelkeep, reference: string, texts: readonly string[]): Promise<number[]> {
  const answers = await Promise.all(texts.map((text) => keep.predict(reference, text)));
  return answers.map(({ output }) => (output as readonly { readonly score: number }[])[0]?.score ?? Number.NaN);
}

const TEXTS = ['Happy coding !!!', 'The room was dirty and nobody cared.', 'Fine.'];

describe('a version published in int8', () => {
  it('is another version of the same files', async () => {
    const { record, created, sentBytes } = await push(store, 'test/fixtures/sentiment/v2', {
      name: 'same',
      precision: 'int8',
    });
    expect({ created, sentBytes }).toEqual({ created: true, sentBytes: 0 });
    const { manifest } = await show(store, parseReference('same'));
    const other = await show(store, parseReference('sentiment:1'));
    expect(manifest.precision).toBe('int8');
    expect(manifest.files).toEqual(other.manifest.files);
    expect(record.digest).not.toBe(other.record.digest);
  });

  it('is served in int8, beside the same files in fp32, and says so', async () => {
    await using keep = await open();
    const exact = await keep.predict('sentiment:1', TEXTS[0]);
    const rough = await keep.predict('sentiment:2', TEXTS[0]);
    expect(exact.form).toEqual({ precision: 'fp32', compiled: false });
    expect(rough.form).toEqual({ precision: 'int8', compiled: false });
    const [one, two] = [exact, rough].map(({ output }) => (output as readonly { score: number }[])[0]?.score ?? 0);
    expect(two).not.toBe(one);
    expect(Math.abs((two ?? 0) - (one ?? 1))).toBeLessThan(0.05);
    expect(keep.status().holds.map(({ version, precision }) => [version, precision])).toEqual([
      [1, 'fp32'],
      [2, 'int8'],
    ]);
  });

  it('is served in the precision that the node was told', async () => {
    await using keep = await open({ precision: 'fp32' });
    const { form, output } = await keep.predict('sentiment:2', TEXTS[0]);
    expect(form.precision).toBe('fp32');
    const plain = await keep.predict('sentiment:1', TEXTS[0]);
    expect(output).toEqual(plain.output);
  });
});

describe('a node in int8', () => {
  it.each([
    ['int8', 7],
    ['int8-weights+embeddings', 'auto'],
  ] as const)('answers the goldens in %s with %s bits', async (precision, weightBits) => {
    await using keep = await open({ precision, weightBits });
    const goldens = (await goldensOf('v2')).slice(0, 20);
    const model = await keep.load('sentiment:1');
    const answers = await Promise.all(goldens.map(({ text }) => model.predict(text)));
    const same = answers.filter((answer, at) => {
      const [best] = answer as readonly { readonly label: string }[];
      return best?.label === goldens[at]?.label;
    });
    expect(same.length).toBeGreaterThanOrEqual(19);
  });

  it('answers a lone request bit for bit as in company', async () => {
    await using keep = await open({ precision: 'int8' });
    const together = await scores(keep, 'sentiment:1', TEXTS);
    const alone: number[] = [];
    for (const text of TEXTS) alone.push(...(await scores(keep, 'sentiment:1', [text])));
    expect(alone).toEqual(together);
  });

  it('makes quantized tensors once for a machine, and finds them', async () => {
    const made = await readdir(join(folder, 'cache', 'derived'));
    await using keep = await open({ precision: 'int8' });
    await keep.predict('sentiment:1', TEXTS[0]);
    expect(await readdir(join(folder, 'cache', 'derived'))).toEqual(made);
    expect(made.length).toBeGreaterThan(2);
  });

  it('makes them again when somebody removed them', async () => {
    await using keep = await open({ precision: 'int8', cacheDir: join(folder, 'swept'), runners: 2 });
    const [before] = await scores(keep, 'sentiment:1', TEXTS);
    const { residency, pool } = keep.parts;
    for (const name of await readdir(join(folder, 'swept', 'segments')))
      await rm(join(folder, 'swept', 'segments', name));
    const hosted = new Promise((resolve) => residency.once('hosted', resolve));
    pool.runners[0]?.kill();
    await hosted;
    expect(await scores(keep, 'sentiment:1', TEXTS)).toContain(before);
  });

  it('serves an ONNX file as it is', async () => {
    await using keep = await open({ precision: 'int8' });
    expect((await keep.predict('onnx', TEXTS[0])).form.precision).toBe('fp32');
  });
});

it.each(['int8', 'int8-weights'] as const)('%s is compiled and taken over', async (precision) => {
  const compileAfter = 5;
  await using keep = await open({ precision, compileAfter });
  const plain = await scores(keep, 'sentiment:1', TEXTS);
  const report = new Promise<CompileReport>((resolve) => keep.parts.residency.once('compiled', resolve));
  for (let run = 0; run < compileAfter; run++) await keep.predict('sentiment:1', TEXTS[0]);
  expect((await report).error).toBeUndefined();
  const { form } = await keep.predict('sentiment:1', TEXTS[0]);
  expect(form).toEqual({ precision, compiled: true });
  const compiled = await scores(keep, 'sentiment:1', TEXTS);
  for (const [at, score] of compiled.entries()) expect(Math.abs(score - (plain[at] ?? 0))).toBeLessThan(1e-3);
  // The compiled form of another precision of the same version is not this one.
  await using other = await open({ precision: 'fp32', compileAfter });
  expect((await other.predict('sentiment:1', TEXTS[0])).form).toEqual({ precision: 'fp32', compiled: false });
});

describe('bad input', () => {
  it('refuses precisions that there are not', async () => {
    await expect(open({ precision: 'fp16' as never })).rejects.toMatchObject({ code: 'INVALID_INPUT' });
    await expect(
      push(store, 'test/fixtures/sentiment/v2', { name: 'x', precision: 'int4' as never }),
    ).rejects.toMatchObject({ code: 'INVALID_INPUT' });
  });

  it('refuses another precision of what is no checkpoint, and stores nothing', async () => {
    await expect(
      push(store, 'test/fixtures/sentiment/v2-onnx', { name: 'x', precision: 'int8' }),
    ).rejects.toMatchObject({ code: 'INVALID_INPUT' });
    await expect(show(store, parseReference('x'))).rejects.toMatchObject({ code: 'MODEL_NOT_FOUND' });
  });
});
