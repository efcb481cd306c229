import { cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { differenceOfModules } from './sentence-golden.js';

const MODULES = resolve('test/fixtures/tasks/modules');
const root = mkdtempSync(join(tmpdir(), 'modelkeep-modules-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** True for a file that only says what follows the model. */
function isOfModules(path: string): boolean {
  return /modules\.json$|sentence|1_Pooling/.test(path);
}

/** The model of tasks/embeddings with what a folder of tasks/modules says of it. */
function assembled(name: string): string {
  const folder = join(root, name);
  cpSync(resolve('test/fixtures/tasks/embeddings'), folder, { recursive: true, filter: (path) => !isOfModules(path) });
  cpSync(join(MODULES, name), folder, { recursive: true, force: true });
  return folder;
}

test.each(readdirSync(MODULES))('the modules %s give the vectors of sentence-transformers 6', async (name) => {
  expect(await differenceOfModules(assembled(name))).toBeUndefined();
});
