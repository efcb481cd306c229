import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { DerivedTensors } from '../../../src/cache/index.js';
import { digestHex, digestOf, ModelkeepError, type TensorRecipe } from '../../../src/core/index.js';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'modelkeep-derived-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const BYTES = Buffer.from('eight bits of each');

function recipeOf(recipe: string, bytes: Buffer = BYTES, source = 'source') {
  const made = { count: 0 };
  const derived: TensorRecipe = {
    recipe,
    sources: [{ digest: digestOf(source), start: 8, end: 32 }],
    make: () => {
      made.count += 1;
      return Promise.resolve(bytes);
    },
  };
  return { made, derived };
}

test('makes a tensor once, however many ask, in whatever object, and names it by its digest', async () => {
  const { made, derived } = recipeOf('int8');
  const stores = [await DerivedTensors.open(directory), await DerivedTensors.open(directory)];
  const found = await Promise.all([...stores, ...stores].map(({ derive }) => derive(derived)));
  expect(made.count).toBe(1);
  expect(new Set(found.map(({ file }) => file)).size).toBe(1);
  expect(found[0]).toMatchObject({ digest: digestOf(BYTES), size: BYTES.byteLength, offset: 0 });
  expect(await readFile(found[0]?.file ?? '')).toEqual(BYTES);
});

test('tells recipes and sources apart, and shares the file of equal bytes', async () => {
  const { derive } = await DerivedTensors.open(directory);
  const all = [recipeOf('int8'), recipeOf('int7'), recipeOf('int8', Buffer.from('other'), 'another source')];
  for (const { derived } of all) await derive(derived);
  expect(all.map(({ made }) => made.count)).toEqual([1, 1, 1]);
  const names = [BYTES, Buffer.from('other')].map((bytes) => digestHex(digestOf(bytes)));
  expect((await readdir(join(directory, 'segments'))).toSorted()).toEqual(names.toSorted());
});

test('makes a tensor again that was removed or written to', async () => {
  const { derive } = await DerivedTensors.open(directory);
  const { made, derived } = recipeOf('int8');
  const { file } = await derive(derived);
  await rm(file);
  await derive(derived);
  expect(made.count).toBe(2);
  await chmod(file, 0o600);
  await writeFile(file, 'somebody wrote her');
  expect((await derive(derived)).file).toBe(file);
  expect(made.count).toBe(3);
  expect(await readFile(file)).toEqual(BYTES);
});

test('makes a tensor again whose list was cut off', async () => {
  const { derive } = await DerivedTensors.open(directory);
  const { made, derived } = recipeOf('int8');
  await derive(derived);
  const [list = ''] = await readdir(join(directory, 'derived'));
  await writeFile(join(directory, 'derived', list), '[{"digest":"sha2');
  await derive(derived);
  await writeFile(join(directory, 'derived', list), '[{"digest":"../../etc/passwd","size":1}]');
  await derive(derived);
  expect(made.count).toBe(3);
});

test('leaves nothing behind when making fails, and tries again', async () => {
  const { derive } = await DerivedTensors.open(directory);
  const { made, derived } = recipeOf('int8');
  const failing = { ...derived, make: () => Promise.reject(new ModelkeepError('INVALID_ARTIFACT', 'no number')) };
  await expect(derive(failing)).rejects.toMatchObject({ code: 'INVALID_ARTIFACT' });
  for (const folder of ['segments', 'partial', 'derived']) expect(await readdir(join(directory, folder))).toEqual([]);
  await derive(derived);
  expect(made.count).toBe(1);
});

test('finds a list only while every tensor of it is there', async () => {
  const tensors = await DerivedTensors.open(directory);
  const first = await tensors.derive(recipeOf('a', Buffer.from('a')).derived);
  const second = await tensors.derive(recipeOf('b', Buffer.from('b')).derived);
  await tensors.remember('version 1 in int8', [first, second]);
  expect(await tensors.find('version 1 in int8')).toEqual(
    [first, second].map(({ digest, size }) => ({ digest, size })),
  );
  expect(await tensors.find('version 2 in int8')).toBeUndefined();
  await rm(second.file);
  expect(await tensors.find('version 1 in int8')).toBeUndefined();
});

test('gives up when its caller gives up', async () => {
  const { derive } = await DerivedTensors.open(directory);
  const given = derive(recipeOf('int8').derived, { signal: AbortSignal.abort() });
  await expect(given).rejects.toMatchObject({ code: 'CANCELLED' });
});
