import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import {
  openModelkeep,
  openStore,
  push,
  type Modelkeep,
  type OpenOptions,
  type Pushed,
  type VersionStore,
} from '../../src/app/index.js';
import { distinctSegments, parseReference, type Tensor } from '../../src/core/index.js';
import { largestGap } from '../unit/formats/session.js';

const FIXTURES = join(import.meta.dirname, '../fixtures');
const BASE = join(FIXTURES, 'archs/bert');
const ADAPTER = join(FIXTURES, 'adapters/sentiment');

interface Row {
  readonly input_ids: readonly number[];
  readonly token_type_ids: readonly number[];
  readonly logits: readonly number[];
}
const rows = JSON.parse(readFileSync(join(ADAPTER, 'golden.json'), 'utf8')) as readonly Row[];

let folder = '';
let store: VersionStore;
let base: Pushed;
let adapted: Pushed;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'modelkeep-adapter-test-'));
  store = await openStore(join(folder, 'store'));
  base = await push(store, BASE, { name: 'reviews' });
  adapted = await push(store, ADAPTER, { name: 'reviews', base: 'reviews:1' });
});

afterAll(async () => {
  await store.close();
  rmSync(folder, { recursive: true, force: true });
});

const open = (options: OpenOptions = {}): Promise<Modelkeep> =>
  openModelkeep({ store, cacheDir: join(folder, 'cache'), runners: 2, ...options });

function int64(values: readonly number[]): Tensor {
  return { type: 'int64', data: BigInt64Array.from(values, BigInt), dims: [1, values.length] };
}

/** The largest difference of a version's answers from those of the model that peft merged. */
async function gapOf(keep: Modelkeep, reference: string): Promise<number> {
  const model = await keep.load(reference);
  const gaps = rows.map(async ({ input_ids, token_type_ids, logits }) => {
    const ones = input_ids.map(() => 1);
    const tensors = { input_ids: int64(input_ids), attention_mask: int64(ones), token_type_ids: int64(token_type_ids) };
    const { tensors: answer } = await model.infer({ tensors });
    return largestGap(Array.from(answer['logits']?.data as Float32Array), logits);
  });
  return Math.max(...(await Promise.all(gaps)));
}

/** Files of the cache that came from no store: name and time of each merged tensor. */
function derivedFiles(): readonly string[] {
  return readdirSync(join(folder, 'cache/derived')).toSorted();
}

describe('an adapter in int8', () => {
  test('is merged first and quantized then: it answers nearly as the merged model', async () => {
    await using keep = await open({ cacheDir: join(folder, 'int8'), precision: 'int8', runners: 1 });
    const gap = await gapOf(keep, 'reviews:2');
    expect(gap).toBeGreaterThan(1e-4);
    expect(gap).toBeLessThan(0.5);
  });

  test('has the precision of its base unless its publisher chose another', async () => {
    await push(store, BASE, { name: 'rough', precision: 'int8' });
    const like = await push(store, ADAPTER, { name: 'rough', base: 'rough:1' });
    const exact = await push(store, ADAPTER, { name: 'rough', base: 'rough:1', precision: 'fp32' });
    expect((await store.readManifest(like.record)).precision).toBe('int8');
    expect((await store.readManifest(exact.record)).precision).toBeUndefined();
    await expect(
      push(store, ADAPTER, { name: 'rough', base: 'rough:1', precision: 'int1' as never }),
    ).rejects.toMatchObject({ code: 'INVALID_INPUT' });
  });
});

describe('an adapter published over its base', () => {
  test('is a version of its own that sends its own bytes alone and shares the rest', async () => {
    const [below, own] = await Promise.all(
      [base, adapted].map(async ({ record }) => distinctSegments(await store.readManifest(record))),
    );
    const shared = new Set((below ?? []).map(({ digest }) => digest));
    const sent = (own ?? []).filter(({ digest }) => !shared.has(digest)).reduce((sum, { size }) => sum + size, 0);
    expect(adapted.sentBytes).toBe(sent);
    expect(adapted.sentBytes).toBeLessThan(12_000);
    expect(adapted.totalBytes).toBeGreaterThan(base.totalBytes - 100_000);
    expect(adapted.record).toMatchObject({
      version: 2,
      format: 'hf',
      task: 'text-classification',
      parent: 'reviews:1',
      metadata: { base: { version: 'reviews:1', digest: base.record.digest } },
    });
  });

  test('pushed again it is the same version', async () => {
    const again = await push(store, ADAPTER, { name: 'reviews', base: 'reviews:1' });
    expect(again).toMatchObject({ created: false, sentBytes: 0, record: { version: 2 } });
  });

  test('answers as the merged model does; its base stays as it was; a node that is started anew merges nothing', async () => {
    {
      await using keep = await open();
      expect(await gapOf(keep, 'reviews:2')).toBeLessThan(1e-4);
      expect(await gapOf(keep, 'reviews:1')).toBeGreaterThan(0.1);
      expect((await keep.predict('reviews:2', 'Good.')).output).toHaveLength(1);
    }
    // Queries and values of two layers, once for the two runners.
    const made = derivedFiles();
    expect(made).toHaveLength(4);
    await using keep = await open();
    expect(await gapOf(keep, 'reviews:2')).toBeLessThan(1e-4);
    expect(derivedFiles()).toEqual(made);
  });

  test('a base that is no checkpoint, or an adapter itself, is refused, and one that is not there', async () => {
    await push(store, join(FIXTURES, 'iris/mymodel_v1.onnx'), { name: 'iris' });
    const over = (reference: string) => push(store, ADAPTER, { name: 'reviews', base: reference });
    await expect(over('iris:1')).rejects.toMatchObject({ code: 'UNSUPPORTED_FORMAT' });
    await expect(over('reviews:2')).rejects.toMatchObject({ code: 'UNSUPPORTED_FORMAT' });
    await expect(over('reviews:9')).rejects.toMatchObject({ code: 'VERSION_NOT_FOUND' });
    expect(await store.listVersions({ model: 'reviews' })).toHaveLength(2);
  });

  test('without --base, or a whole model with it, is refused', async () => {
    await expect(push(store, ADAPTER, { name: 'reviews' })).rejects.toMatchObject({ code: 'INVALID_ARTIFACT' });
    const whole = push(store, BASE, { name: 'reviews', base: 'reviews:1' });
    await expect(whole).rejects.toMatchObject({ code: 'INVALID_ARTIFACT' });
  });

  test('leaves nothing in the temporary folder', async () => {
    const own = join(folder, 'temporary');
    mkdirSync(own);
    vi.stubEnv('TMPDIR', own);
    await push(store, join(FIXTURES, 'archs/heads/roberta-mlm'), { name: 'words' });
    const headed = await push(store, join(FIXTURES, 'adapters/new-head'), { name: 'words', base: 'words:1' });
    vi.unstubAllEnvs();
    expect(readdirSync(own)).toEqual([]);
    // The head that the adapter brings is that of config.json from now on.
    const { files } = await store.readManifest(await store.resolve(parseReference('words:2')));
    expect(files.map(({ path }) => path)).toContain('config.json');
    expect(headed.record.format).toBe('hf');
  });
});
