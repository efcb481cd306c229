import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openModelkeep, openStore, push, type VersionStore } from '../../src/app/index.js';
import { inspectAdapter } from '../../src/formats/index.js';
import { largestGap } from '../unit/formats/session.js';

const FIXTURES = join(import.meta.dirname, '../fixtures');
const ADAPTERS = join(FIXTURES, 'adapters-of-today');

let folder = '';
let store: VersionStore;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'modelkeep-peft-test-'));
  store = await openStore(join(folder, 'store'));
  await push(store, join(FIXTURES, 'sentiment/v2'), { name: 'base' });
});

afterAll(async () => {
  await store.close();
  rmSync(folder, { recursive: true, force: true });
});

interface Row {
  readonly text: string;
  readonly logits: readonly number[];
}
interface Sentence {
  readonly text: string;
  readonly embedding: readonly number[];
}
type Label = { readonly label: string; readonly score: number };

/** What the pipeline of transformers makes of logits. */
function scoresOf({ logits }: Row, labels: readonly string[]): Readonly<Record<string, number>> {
  const sum = logits.reduce((total, logit) => total + Math.exp(logit), 0);
  return Object.fromEntries(labels.map((label, at) => [label, Math.exp(logits[at] ?? NaN) / sum]));
}

/** How far a version's answers to texts are from an adapter's golden ones. */
async function gapOf(name: string, labels: readonly string[]): Promise<number> {
  await using keep = await openModelkeep({ store, cacheDir: join(folder, 'cache'), runners: 1 });
  const rows = JSON.parse(readFileSync(join(ADAPTERS, name, 'golden.json'), 'utf8')) as readonly Row[];
  const texts = rows.map(({ text }) => text);
  const { output } = await keep.predict(name, texts, { parameters: { top_k: null } });
  const answers = output as readonly (readonly Label[])[];
  expect(answers.map((answer) => answer.length)).toEqual(rows.map(() => labels.length));
  const gaps = rows.flatMap((row, at) => {
    const wanted = scoresOf(row, labels);
    return (answers[at] ?? []).map(({ label, score }) => Math.abs(score - (wanted[label] ?? NaN)));
  });
  return Math.max(...gaps);
}

describe('an adapter as peft 0.21 saves it', () => {
  test.each(['reviews', 'reviews-root', 'reviews-all-linear'])('%s answers texts as peft does', async (name) => {
    await push(store, join(ADAPTERS, name), { name, base: 'base:1' });
    expect(await gapOf(name, ['NEGATIVE', 'POSITIVE'])).toBeLessThan(1e-4);
  });
});

/** A folder with adapters of these names. */
function saved(...names: readonly string[]): string {
  const path = join(folder, names.join('-'));
  for (const name of names) cpSync(join(ADAPTERS, 'reviews'), join(path, name), { recursive: true });
  return path;
}

/** The files of a published version. */
async function pathsOf(path: string, options: { readonly checkpoint?: string } = {}): Promise<readonly string[]> {
  const { record } = await push(store, path, { name: 'lying', base: 'base:1', ...options });
  return (await store.readManifest(record)).files.map((file) => file.path);
}

describe('an adapter as it lies on disk', () => {
  test('in a folder of its name, with tokenizer and labels beside that', async () => {
    const path = saved('alone');
    cpSync(join(FIXTURES, 'sentiment/v2/tokenizer.json'), join(path, 'tokenizer.json'));
    cpSync(join(FIXTURES, 'sentiment/v2/config.json'), join(path, 'config.json'));
    const own = await inspectAdapter(path);
    expect(own.files.map((file) => file.path)).toEqual(
      expect.arrayContaining(['adapter_config.json', 'adapter_model.safetensors', 'config.json', 'tokenizer.json']),
    );
    expect(own.from).toContain('alone');
    const paths = await pathsOf(path);
    expect(paths).toContain('adapter_config.json');
    expect(paths.filter((one) => one.includes('/'))).toEqual([]);
  });

  test('beside others of names is refused, listing them, and each can be published by itself', async () => {
    const path = saved('first', 'second');
    await expect(pathsOf(path)).rejects.toMatchObject({
      code: 'INVALID_ARTIFACT',
      message: expect.stringMatching(/several models.*first \(adapter\), second \(adapter\).*first/),
    });
    await expect(pathsOf(join(path, 'second'))).resolves.toContain('adapter_config.json');
  });

  test('without a name beside others leaves them out, and says so', async () => {
    const path = saved('other');
    cpSync(join(ADAPTERS, 'reviews'), path, { recursive: true });
    const { warnings } = await inspectAdapter(path);
    expect(warnings.join(' ')).toContain('the other adapters other');
    expect((await pathsOf(path)).filter((one) => one.includes('/'))).toEqual([]);
  });

  test('in checkpoints of a training run: the newest, or the one that is named', async () => {
    const path = saved('checkpoint-5', 'checkpoint-20');
    rmSync(join(path, 'checkpoint-5/golden.json'));
    expect((await inspectAdapter(path)).from).toContain('checkpoint-20, the newest of 2');
    expect((await inspectAdapter(path, { checkpoint: '5' })).from).toContain('checkpoint-5, as asked');
    expect(await pathsOf(path, { checkpoint: '5' })).not.toContain('golden.json');
  });

  test('in an archive', async () => {
    const path = join(folder, 'adapter.tar.gz');
    execFileSync('tar', ['-czf', path, '-C', ADAPTERS, 'reviews']);
    expect(await pathsOf(path)).toContain('adapter_config.json');
  });

  test('in a cache of Hugging Face, as links', async () => {
    const cache = join(folder, 'models--somebody--adapter');
    mkdirSync(join(cache, 'snapshots/abc'), { recursive: true });
    mkdirSync(join(cache, 'blobs'));
    for (const name of ['adapter_config.json', 'adapter_model.safetensors']) {
      cpSync(join(ADAPTERS, 'reviews', name), join(cache, 'blobs', name));
      symlinkSync(`../../blobs/${name}`, join(cache, 'snapshots/abc', name));
    }
    expect(await pathsOf(cache)).toContain('adapter_model.safetensors');
  });

  test('is named where there is none', async () => {
    await expect(pathsOf(join(FIXTURES, 'sentiment/v2'))).rejects.toMatchObject({
      code: 'INVALID_ARTIFACT',
      message: expect.stringContaining('no adapter_config.json'),
    });
  });
});

describe('what an adapter brings', () => {
  test('labels without names are called as transformers calls them, with a warning', async () => {
    const name = 'reviews-labels';
    const { warnings, record } = await push(store, join(ADAPTERS, name), { name, base: 'base:1' });
    expect(warnings.join(' ')).toContain('3 labels, and the base names 2');
    expect(record.task).toBe('text-classification');
    expect(await gapOf(name, ['LABEL_0', 'LABEL_1', 'LABEL_2'])).toBeLessThan(1e-4);
  });

  test('beside its base in one folder it is merged, without --base', async () => {
    const path = join(folder, 'both');
    cpSync(join(FIXTURES, 'sentiment/v2'), path, { recursive: true });
    cpSync(join(ADAPTERS, 'reviews'), path, { recursive: true });
    await push(store, path, { name: 'reviews' });
    expect(await gapOf('reviews', ['NEGATIVE', 'POSITIVE'])).toBeLessThan(1e-4);
  });

  test.each([
    ['patterns-bert', 'archs/heads/bert-qa', 'token_type_ids'],
    ['words-distilbert', 'archs/heads/distilbert-mlm', 'the other stays as it was'],
    ['rows-bert', 'archs/heads/bert-mlm', 'keeps its bias'],
  ])('%s: where peft answers in two ways, push says which', async (name, base, said) => {
    await push(store, join(FIXTURES, base), { name });
    const { warnings } = await push(store, join(ADAPTERS, name), { name, base: `${name}:1` });
    expect(warnings.join(' ')).toContain(said);
  });

  test('modules of sentence-transformers give the vectors of its library', async () => {
    const name = 'sentences';
    const { record } = await push(store, join(ADAPTERS, name), { name, base: 'base:1' });
    expect(record.task).toBe('sentence-embeddings');
    const rows = JSON.parse(readFileSync(join(ADAPTERS, name, 'golden.json'), 'utf8')) as readonly Sentence[];
    await using keep = await openModelkeep({ store, cacheDir: join(folder, 'cache'), runners: 1 });
    const { output } = await keep.predict(
      name,
      rows.map(({ text }) => text),
    );
    const vectors = output as readonly (readonly number[])[];
    for (const [at, { embedding }] of rows.entries())
      expect(largestGap(vectors[at] ?? [], embedding)).toBeLessThan(1e-4);
  });

  test('weights that are a pickle are refused by name', async () => {
    const path = join(folder, 'pickle');
    mkdirSync(path);
    cpSync(join(ADAPTERS, 'reviews/adapter_config.json'), join(path, 'adapter_config.json'));
    writeFileSync(join(path, 'adapter_model.bin'), 'x');
    await expect(push(store, path, { name: 'pickle', base: 'base:1' })).rejects.toMatchObject({
      code: 'UNSUPPORTED_FORMAT',
      message: expect.stringContaining('adapter_model.bin'),
    });
  });
});
