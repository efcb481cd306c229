import { afterEach, beforeEach, expect, it } from 'vitest';
import { parseReference, push, weightChanges } from '../../src/app/index.js';
import { Bench, fixture, recordCalls } from './node-bench.js';

let bench: Bench;
beforeEach(async () => {
  bench = await Bench.open();
  for (const name of ['v2', 'v3-head', 'v1'] as const) await push(bench.store, fixture(name), { name: 'sentiment' });
});
afterEach(() => bench.close());

const version = (number: number) => bench.store.resolve(parseReference(`sentiment:${number}`));

it('names the tensors of a new head, counts what is shared, and reads only what the digests leave open', async () => {
  const { store, segments } = recordCalls(bench.store);
  const changes = await weightChanges(store, await version(1), await version(2));
  expect(changes).toMatchObject({
    changed: ['classifier.bias', 'classifier.weight'],
    added: [],
    removed: [],
    equal: 39,
  });
  // The segment of small tensors that holds the classifier, beside the header.
  expect(changes.newBytes).toBeLessThan(40_000);
  expect(changes.totalBytes).toBe(5_001_177);
  const sizes = new Map(
    (await bench.store.readManifest(await version(2))).files.flatMap(({ segments: own }) =>
      own.map(({ digest, size }) => [digest as string, size] as const),
    ),
  );
  const read = [...new Set(segments)].reduce((sum, digest) => sum + (sizes.get(digest) ?? 0), 0);
  expect(read).toBeLessThan(100_000);
});

it('tells that nothing changed, or everything', async () => {
  expect(await weightChanges(bench.store, await version(2), await version(2))).toMatchObject({
    changed: [],
    equal: 41,
    newBytes: 0,
  });
  expect((await weightChanges(bench.store, await version(1), await version(3))).equal).toBe(0);
});
