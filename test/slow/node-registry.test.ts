import { join } from 'node:path';
import { expect, it } from 'vitest';
import { Bench, fixture } from '../integration/node-bench.js';

it('the registry of a node runs the gates of a promotion, and leaves the alias where it was if one fails', async () => {
  const bench = await Bench.open();
  try {
    const { registry } = await bench.node({ runners: 1 });
    await registry.push(fixture('v2'), { name: 'sentiment', evaluation: join(fixture('v2'), '..', 'eval.jsonl') });
    await registry.push(fixture('v4-bad'), { name: 'sentiment' });
    expect((await registry.promote('sentiment:1', { to: 'production' })).gates).toMatchObject([{ gate: 'quality' }]);
    const refused = registry.promote('sentiment:2', { to: 'production' });
    await expect(refused).rejects.toMatchObject({ code: 'GATE_FAILED' });
    expect(await registry.aliases()).toMatchObject([{ alias: 'production', version: 1 }]);
  } finally {
    await bench.close();
  }
});
