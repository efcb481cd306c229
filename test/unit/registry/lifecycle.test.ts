import { beforeEach, describe, expect, it } from 'vitest';
import { parseReference, type VersionStore } from '../../../src/core/index.js';
import { history, promote, rollback } from '../../../src/registry/index.js';
import { openMemoryStore } from '../../../src/stores/memory/open.js';
import { freshContents } from '../../../src/testing/index.js';

let store: VersionStore;
const ref = parseReference;

beforeEach(async () => {
  store = await openMemoryStore();
  for (let version = 1; version <= 3; version++) {
    const { manifest, source } = freshContents();
    await store.publish({ model: 'm', manifest }, source);
  }
});

describe('promote', () => {
  it('points an alias at what the reference means now', async () => {
    expect(await promote(store, ref('m:1'), { to: 'staging' })).toMatchObject({ version: 1, revision: 1 });
    expect(await promote(store, ref('m@staging'), { to: 'production' })).toMatchObject({ version: 1 });
    expect(await promote(store, ref('m'), { to: 'production' })).toMatchObject({ from: 1, version: 3 });
  });

  it('moves nothing when the alias is not where it was expected', async () => {
    await promote(store, ref('m:1'), { to: 'production', expect: null });
    const lost = promote(store, ref('m:3'), { to: 'production', expect: 2 });
    await expect(lost).rejects.toMatchObject({ code: 'ALIAS_CONFLICT' });
    expect((await store.resolve(ref('m@production'))).version).toBe(1);
  });
});

describe('rollback', () => {
  it('goes back to the version before the last move, and forth again the next time', async () => {
    for (const version of [1, 2, 3]) await promote(store, ref(`m:${version}`), { to: 'production' });
    expect(await rollback(store, ref('m@production'), { by: 'ann', message: 'worse' })).toMatchObject({
      from: 3,
      version: 2,
    });
    expect(await rollback(store, ref('m@production'))).toMatchObject({ from: 2, version: 3 });
    expect((await history(store, ref('m@production')))[1]).toMatchObject({
      by: 'ann',
      message: 'worse',
      from: 3,
      to: 2,
    });
  });

  it('goes to a version that is named', async () => {
    for (const version of [1, 2, 3]) await promote(store, ref(`m:${version}`), { to: 'production' });
    expect(await rollback(store, ref('m@production'), { to: 1 })).toMatchObject({ from: 3, version: 1 });
  });

  it('refuses what has no past, names no alias, or is not there', async () => {
    await promote(store, ref('m:1'), { to: 'production' });
    await expect(rollback(store, ref('m@production'))).rejects.toMatchObject({ code: 'VERSION_NOT_FOUND' });
    await expect(rollback(store, ref('m:1'))).rejects.toMatchObject({ code: 'INVALID_REFERENCE' });
    await expect(rollback(store, ref('m@nobody'))).rejects.toMatchObject({ code: 'ALIAS_NOT_FOUND' });
    await expect(rollback(store, ref('m@production'), { to: 9 })).rejects.toMatchObject({ code: 'VERSION_NOT_FOUND' });
    expect((await store.resolve(ref('m@production'))).version).toBe(1);
  });
});

describe('history', () => {
  it('tells all of a model, or the moves of one alias, newest first', async () => {
    await promote(store, ref('m:1'), { to: 'staging' });
    await promote(store, ref('m:2'), { to: 'production' });
    expect((await history(store, ref('m'))).map(({ kind }) => kind)).toEqual([
      'alias-moved',
      'alias-moved',
      'published',
      'published',
      'published',
    ]);
    expect(await history(store, ref('m@production'))).toMatchObject([{ alias: 'production', to: 2 }]);
  });

  it('refuses one version, and a model that is not there', async () => {
    await expect(history(store, ref('m:1'))).rejects.toMatchObject({ code: 'INVALID_REFERENCE' });
    await expect(history(store, ref('nobody'))).rejects.toMatchObject({ code: 'MODEL_NOT_FOUND' });
  });
});
