import { cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { openModelkeep } from '../../src/app/index.js';
import type { TokenWeight } from '../../src/tasks/index.js';
import { golden } from '../unit/tasks/directory-files.js';
import { differenceOf, openTaskModel } from './tasks-model.js';

interface SparseRow {
  readonly indexes: readonly number[];
  readonly values: readonly number[];
}

interface SparseGolden {
  readonly texts: readonly string[];
  readonly requests: readonly { parameters: Record<string, unknown>; embeddings: SparseRow[] }[];
  /** Of the first two texts with three weights each. */
  readonly few: readonly SparseRow[];
  /** Of the first of `few`. */
  readonly tokens: readonly string[];
}

const SPARSE = resolve('test/fixtures/tasks/sparse');
const root = mkdtempSync(join(tmpdir(), 'modelkeep-sparse-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** The model of tasks/fill-mask with what a folder of tasks/sparse says of it. */
function assembled(name: string): string {
  const folder = join(root, name);
  cpSync(resolve('test/fixtures/tasks/fill-mask'), folder, { recursive: true });
  cpSync(join(SPARSE, name), folder, { recursive: true, force: true });
  return folder;
}

function weightsOf({ indexes, values }: SparseRow): readonly TokenWeight[] {
  return indexes.map((index, at) => ({ index, value: values[at] ?? 0 }));
}

/** Weights without the names of their tokens. */
function bare(weights: readonly TokenWeight[] = []): readonly TokenWeight[] {
  return weights.map(({ index, value }) => ({ index, value }));
}

test.each(readdirSync(SPARSE))('the sparse encoder %s gives the vectors of sentence-transformers 6', async (name) => {
  const { texts, requests, few, tokens } = golden<SparseGolden>(`tasks/sparse/${name}/golden.json`);
  // Its task is found by itself.
  const model = await openTaskModel(assembled(name));
  for (const { parameters, embeddings } of requests) {
    const answer = await model.ask({ inputs: texts, parameters });
    expect(differenceOf(answer, embeddings.map(weightsOf))).toBeUndefined();
  }
  const parameters = { top_k: 3, return_tokens: true };
  const [first, second] = (await model.ask({ inputs: texts.slice(0, 2), parameters })) as TokenWeight[][];
  expect(differenceOf([bare(first), bare(second)], few.map(weightsOf))).toBeUndefined();
  expect(first?.map(({ token }) => token)).toEqual(tokens);
  await model.close();
});

test.each(['max', 'sum'])('a text has the same vector alone and in a batch: %s', async (name) => {
  const { texts } = golden<SparseGolden>(`tasks/sparse/${name}/golden.json`);
  const options = { store: `file://${join(root, `store-${name}`)}`, cacheDir: join(root, `cache-${name}`), runners: 1 };
  const keep = await openModelkeep(options);
  await keep.push(assembled(name), { name });
  const model = await keep.load(name, { task: 'sparse-embeddings' });
  const inputs = [
    ...texts.slice(0, 2),
    'A cat sleeps on the mat.',
    'It rains.',
    'The cat sleeps on a mat, and it rains.',
  ];
  const together = (await model.predict(inputs)) as TokenWeight[][];
  expect(together.map((weights) => weights.length > 100)).toEqual(inputs.map(() => true));
  for (const [at, text] of inputs.entries()) expect(await model.predict(text)).toEqual(together[at]);
  await keep.close();
});

test('any masked language model gives the largest weights when it is asked to', async () => {
  const { texts, requests } = golden<SparseGolden>('tasks/sparse/max/golden.json');
  const model = await openTaskModel('tasks/fill-mask', 'sparse-embeddings');
  const answer = await model.ask({ inputs: texts[0] });
  expect(differenceOf(answer, requests[0]?.embeddings.slice(0, 1).map(weightsOf)[0])).toBeUndefined();
  await model.close();
});
