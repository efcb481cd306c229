import { cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { golden } from '../unit/tasks/directory-files.js';
import { differenceOf, openTaskModel } from './tasks-model.js';

interface Golden {
  readonly sentences: readonly { text: string; embedding: number[] }[];
}

const DENSE = resolve('test/fixtures/tasks/dense');
const root = mkdtempSync(join(tmpdir(), 'modelkeep-dense-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** The model of tasks/embeddings with the modules of a folder of tasks/dense behind it. */
function assembled(name: string): string {
  const folder = join(root, name);
  cpSync(resolve('test/fixtures/tasks/embeddings'), folder, { recursive: true });
  cpSync(join(DENSE, name), folder, { recursive: true, force: true });
  return folder;
}

test.each(readdirSync(DENSE))('the modules of %s give the vectors of sentence-transformers', async (name) => {
  const model = await openTaskModel(assembled(name));
  const { sentences } = golden<Golden>(`tasks/dense/${name}/golden.json`);
  const answer = await model.ask({ inputs: sentences.map(({ text }) => text) });
  const expected = sentences.map(({ embedding }) => embedding);
  expect(differenceOf(answer, expected)).toBeUndefined();
  expect(expected).toHaveLength(6);
  // What is asked for at a request goes on top: vectors of length 1, or those before modules.json normalises them.
  const unit = (await model.ask({ inputs: sentences[0]?.text, parameters: { normalize: true } })) as number[];
  expect(Math.hypot(...unit)).toBeCloseTo(1, 6);
  await model.close();
});
