import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openStore, type DataRow, type Modelkeep } from '../../src/app/index.js';
import { Bench, fixture } from './node-bench.js';
import { Receiver } from './receiver.js';

let bench: Bench;
let keep: Modelkeep;
/** Enough to tell a bad version, and quickly asked. */
let examples: DataRow[];

beforeAll(async () => {
  bench = await Bench.open();
  keep = await bench.node({ runners: 1 });
  const lines = (await readFile(join(fixture('v2'), '..', 'eval.jsonl'), 'utf8')).trim().split('\n').slice(0, 40);
  examples = lines.map((line) => JSON.parse(line) as DataRow);
  await keep.registry.push(fixture('v2'), { name: 'sentiment' });
  await keep.registry.push(fixture('v4-bad'), { name: 'sentiment' });
  await keep.registry.push(fixture('v3-head'), { name: 'sentiment' });
}, 30_000);
afterAll(() => bench.close());

describe('the registry of a node', () => {
  it('keeps what guards an alias', async () => {
    const { registry } = keep;
    await bench.store.moveAlias({ model: 'sentiment', alias: 'production', to: 1 });
    await registry.setPolicy('sentiment@production', { protected: true, gates: { maxDrop: 0.05 } });
    await expect(registry.promote('sentiment:3', { to: 'production' })).rejects.toMatchObject({
      code: 'INVALID_INPUT',
    });
    expect(await registry.aliases({ model: 'sentiment' })).toMatchObject([
      { alias: 'production', version: 1, policy: { protected: true, gates: { maxDrop: 0.05 } } },
    ]);
  });

  it('tells two versions apart, with the examples that they answer differently', async () => {
    const { tensors, answers } = await keep.registry.diff('sentiment:1', 'sentiment:2', { examples });
    expect(answers).toMatchObject({ examples: 40 });
    expect(answers?.changed[0]?.drop).toBe(1);
    expect(tensors.changed.length).toBeGreaterThan(0);
    const head = await keep.registry.diff('sentiment:1', 'sentiment:3');
    expect(head.answers).toBeUndefined();
    expect(head.tensors.changed.map(({ name }) => name).toSorted()).toEqual(['classifier.bias', 'classifier.weight']);
  });

  it('copies, exports and imports a version, keeps what a policy says, and tells a webhook', async () => {
    const { registry } = keep;
    await using other = await openStore(join(bench.folder, 'other'));
    const { versions } = await registry.copy('sentiment', other, { withAliases: true });
    expect(versions.map(({ record }) => record.version)).toEqual([1, 2, 3]);
    const path = join(bench.folder, 'sentiment.tar');
    const { record } = await registry.exportOci('sentiment:3', path);
    const back = await registry.importOci(path, { name: 'back' });
    expect(back).toMatchObject({ created: true, sentBytes: 0, record: { model: 'back', digest: record.digest } });
    await registry.setRetention({ model: 'back', keepLast: 2 });
    expect(await registry.retention()).toEqual([{ model: 'back', keepLast: 2 }]);
    const receiver = await new Receiver().open();
    try {
      const { id } = await registry.addWebhook({ url: receiver.url }, { allowPrivate: true });
      expect(await registry.testWebhook(id)).toMatchObject({ delivered: false });
      expect(await registry.testWebhook(id, { allowPrivate: true })).toMatchObject({ delivered: true, status: 204 });
      expect(receiver.received).toHaveLength(1);
    } finally {
      await receiver.close();
    }
  });

  it('writes into the history what a verification found, of a version that was asked for', async () => {
    const { registry } = keep;
    await registry.verify({ deep: true, record: true });
    await registry.verify({
      deep: true,
      record: true,
      by: 'ann',
      reference: { model: 'sentiment', selector: { kind: 'version', version: 2 } },
    });
    const told = (await registry.history('sentiment')).filter(({ kind }) => kind === 'verified');
    expect(told).toMatchObject([{ version: 2, deep: true, problems: 0, repaired: 0, by: 'ann' }]);
  });
});
