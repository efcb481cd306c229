import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openModelkeep, openStore, push, type VersionStore } from '../../src/app/index.js';

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

describe('a folder with adapters that have names', () => {
  test('of one adapter is that adapter, with the tokenizer beside it', async () => {
    const path = saved('alone');
    writeFileSync(
      join(path, 'special_tokens_map.json'),
      readFileSync(join(FIXTURES, 'sentiment/v2/special_tokens_map.json')),
    );
    const { record } = await push(store, path, { name: 'named', base: 'base:1' });
    const paths = (await store.readManifest(record)).files.map((file) => file.path);
    expect(paths).toContain('adapter_config.json');
    expect(paths).toContain('special_tokens_map.json');
    expect(paths.filter((one) => one.includes('/'))).toEqual([]);
  });

  test('of several is refused, and each can be published by itself', async () => {
    const path = saved('first', 'second');
    const refused = push(store, path, { name: 'named', base: 'base:1' });
    await expect(refused).rejects.toMatchObject({
      code: 'INVALID_ARTIFACT',
      message: expect.stringMatching(/several adapters: first, second.*first/),
    });
    await expect(push(store, join(path, 'second'), { name: 'second', base: 'base:1' })).resolves.toBeDefined();
  });

  test('beside one without a name leaves them out, and says so', async () => {
    const path = saved('other');
    cpSync(join(ADAPTERS, 'reviews'), path, { recursive: true });
    const { warnings, record } = await push(store, path, { name: 'default', base: 'base:1' });
    expect(warnings.join(' ')).toContain('the other adapters other');
    const paths = (await store.readManifest(record)).files.map((file) => file.path);
    expect(paths.filter((one) => one.includes('/'))).toEqual([]);
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
