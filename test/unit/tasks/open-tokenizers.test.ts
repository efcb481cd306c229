import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { VersionFiles } from '../../../src/core/index.js';
import { OpenTokenizers, openTask } from '../../../src/tasks/index.js';
import { fixtureFiles } from './directory-files.js';

/** Files whose contents have names, as those in the node's cache have; counts how often each is read. */
function namedFiles(folder: string, reads: string[] = []): VersionFiles {
  const files = fixtureFiles(folder);
  return {
    ...files,
    contentOf: (path) =>
      createHash('sha256')
        .update(readFileSync(join('test/fixtures', folder, path)))
        .digest('hex'),
    read: (path, ...rest) => {
      reads.push(path);
      return files.read(path, ...rest);
    },
  };
}

const BERT = { architectures: [], modelType: 'bert', maxTokens: 128 };

test('versions whose tokenizer files are equal share one tokenizer, and the second reads none of them', async () => {
  const tokenizers = new OpenTokenizers();
  const reads: string[] = [];
  const first = await tokenizers.open(namedFiles('sentiment/v2'), BERT);
  const second = await tokenizers.open(namedFiles('sentiment/v3-head', reads), BERT);
  expect(first).toBeDefined();
  expect(second).toBe(first);
  expect(reads).toEqual([]);
});

test('another limit of the model, other files, or contents without names make another tokenizer', async () => {
  const tokenizers = new OpenTokenizers();
  const first = await tokenizers.open(namedFiles('sentiment/v2'), BERT);
  expect(await tokenizers.open(namedFiles('sentiment/v2'), { ...BERT, maxTokens: 64 })).not.toBe(first);
  expect(await tokenizers.open(namedFiles('archs/bert'), BERT)).not.toBe(first);
  expect(await tokenizers.open(fixtureFiles('sentiment/v2'), BERT)).not.toBe(first);
});

test('tasks that share a tokenizer give the ids that each gives alone', async () => {
  const tokenizers = new OpenTokenizers();
  const request = { inputs: 'One copy, however many versions.' };
  const idsOf = async (shared?: OpenTokenizers): Promise<unknown> => {
    const task = await openTask(namedFiles('sentiment/v2'), shared === undefined ? {} : { tokenizers: shared });
    return (await task.prepare(request)).encodings;
  };
  const alone = await idsOf();
  expect(await idsOf(tokenizers)).toEqual(alone);
  expect(await idsOf(tokenizers)).toEqual(alone);
});
