import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { compareFolder } from './golden-folder.js';

const FIXTURES = join(import.meta.dirname, '../../fixtures');

/** Each head of each family, and random configurations of the same (`test/slow` makes more of these). */
const FOLDERS = ['archs/heads', 'random'].flatMap((of) =>
  readdirSync(join(FIXTURES, of)).map((name) => `${of}/${name}`),
);

test.each(FOLDERS)('%s answers as the reference, alone and in a padded batch', async (name) => {
  const compared = await compareFolder(join(FIXTURES, name));
  expect(compared.rows).toBe(3);
  expect(compared.given).toEqual(compared.expected);
  expect(compared.expected.length).toBeGreaterThan(0);
  expect(compared.alone).toBeLessThan(1e-4);
  expect(compared.inBatch).toBeLessThan(1e-4);
});
