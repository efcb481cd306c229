import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openStore, parseReference, push, resolveSettings, serve, show } from '../../src/app/index.js';

test('a server tells the store what it holds, also after a swap, and show repeats it', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'modelkeep-heartbeat-'));
  const store = await openStore(join(folder, 'store'));
  try {
    await push(store, 'test/fixtures/sentiment/v1', { name: 'sentiment' });
    const flags = { cacheDir: join(folder, 'cache'), port: 0, runners: 1, preload: 'sentiment', logLevel: 'silent' };
    const { values } = resolveSettings({ flags });
    await using server = await serve({ settings: values, store, version: '0.0.0' });
    const held = async (reference: string) => (await show(store, parseReference(reference))).nodes;
    await expect.poll(() => held('sentiment:1')).toMatchObject([{ pid: process.pid, state: 'ready' }]);
    await push(store, 'test/fixtures/sentiment/v2', { name: 'sentiment' });
    await expect
      .poll(() => held('sentiment:2'), { timeout: 10_000 })
      .toMatchObject([{ pid: process.pid, state: 'ready' }]);
    const [node] = await store.listNodes();
    expect(node?.follows).toMatchObject([{ reference: 'sentiment', version: 2 }]);
    expect(server.url).toMatch(/^http:\/\/127\.0\.0\.1:/);
  } finally {
    await store.close();
    await rm(folder, { recursive: true, force: true });
  }
});
