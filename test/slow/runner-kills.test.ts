import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openModelkeep, openStore, push } from '../../src/app/index.js';
import { killRunners } from '../integration/runner-kills.js';

const SECONDS = 60;

test(`runners are killed at random for ${SECONDS} s, and no request fails`, { timeout: 120_000 }, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'modelkeep-kills-'));
  const store = await openStore(join(folder, 'store'));
  try {
    await push(store, 'test/fixtures/sentiment/v2', { name: 'sentiment' });
    await using keep = await openModelkeep({ store, cacheDir: join(folder, 'cache'), runners: 2 });
    await keep.load('sentiment');
    const { failures, ...counts } = await killRunners(keep, 'sentiment', SECONDS, Math.random);
    console.log(JSON.stringify(counts));
    expect(failures).toEqual([]);
    expect(counts.kills).toBeGreaterThan(SECONDS / 2);
    expect(counts.answered).toBeGreaterThan(counts.kills);
    expect(keep.parts.residency.residents.map(({ state }) => state)).toEqual(['ready']);
  } finally {
    await store.close();
    await rm(folder, { recursive: true, force: true });
  }
});
