import { randomBytes } from 'node:crypto';
import { expect, it } from 'vitest';
import { MAX_ENTRY_BYTES } from '../core/index.js';
import type { StoreSuite } from './describe-version-store.js';
import { freshContents, freshModel } from './drafts.js';

/** Small documents beside the versions. */
export function entryCases(suite: StoreSuite): void {
  it('keeps entries by kind and key, changed by compare-and-set with one winner of a race', async () => {
    const store = suite.store();
    const other = (await suite.second()) ?? store;
    const name = { kind: 'contract', key: `a/${randomBytes(8).toString('hex')}` };
    expect(await store.readEntry(name)).toBeUndefined();
    expect(await store.writeEntry({ ...name, value: {}, expect: 1 })).toBeUndefined();
    const value = { $odd: { 'a.b': [1, null, 'é'] } };
    expect(await store.writeEntry({ ...name, value, expect: null })).toEqual({ ...name, value, revision: 1 });
    expect(await other.readEntry(name)).toEqual({ ...name, value, revision: 1 });
    expect(await other.writeEntry({ ...name, value: {}, expect: null })).toBeUndefined();
    const race = [store, other, store, other].map((racer, at) =>
      racer.writeEntry({ ...name, value: { at }, expect: 1 }),
    );
    const won = (await Promise.all(race)).filter((entry) => entry !== undefined);
    expect(won).toHaveLength(1);
    expect(await store.readEntry(name)).toEqual(won[0]);
    expect(await store.removeEntry({ ...name, expect: 1 })).toBe(false);
    expect(await store.removeEntry({ ...name, expect: 2 })).toBe(true);
    expect(await store.removeEntry(name)).toBe(false);
    expect(await other.readEntry(name)).toBeUndefined();
  });

  it('lists entries of a kind by prefix, in order, and counts every unconditional write', async () => {
    const store = suite.store();
    const other = (await suite.second()) ?? store;
    const prefix = `${randomBytes(8).toString('hex')}/`;
    for (const end of ['b', 'a', 'a/x'])
      await store.writeEntry({ kind: 'contract', key: `${prefix}${end}`, value: {} });
    await store.writeEntry({ kind: 'contract-b', key: `${prefix}c`, value: {} });
    const listed = await other.listEntries({ kind: 'contract', prefix });
    expect(listed.map(({ key }) => key)).toEqual(['a', 'a/x', 'b'].map((end) => `${prefix}${end}`));
    expect((await store.listEntries({ kind: 'contract' })).length).toBeGreaterThanOrEqual(3);
    const writes = [store, other, store, other, store, other].map((writer) =>
      writer.writeEntry({ kind: 'contract', key: `${prefix}b`, value: {} }),
    );
    await Promise.all(writes);
    expect((await store.readEntry({ kind: 'contract', key: `${prefix}b` }))?.revision).toBe(7);
  });

  it('records an event with a change, and none with a change that was refused', async () => {
    const store = suite.store();
    const model = freshModel();
    const { manifest, source } = freshContents();
    await store.publish({ model, manifest }, source);
    const name = { kind: 'contract', key: model };
    const signed = { kind: 'signed' as const, model, version: 1, keyId: 'k', by: 'ann' };
    await store.writeEntry({ ...name, value: {}, expect: null, event: signed });
    await store.writeEntry({ ...name, value: {}, expect: null, event: signed });
    await store.removeEntry({ ...name, expect: 9, event: signed });
    await store.removeEntry({ ...name, event: { ...signed, kind: 'signature-removed' } });
    const events = await store.listEvents({ model });
    expect(events.map(({ kind }) => kind)).toEqual(['signature-removed', 'signed', 'published']);
    expect(events[1]).toMatchObject({ version: 1, keyId: 'k', by: 'ann' });
  });

  it('refuses malformed names and values that are too large', async () => {
    const store = suite.store();
    const invalid = { code: 'INVALID_INPUT' };
    await expect(store.readEntry({ kind: '$bad', key: 'a' })).rejects.toMatchObject(invalid);
    await expect(store.writeEntry({ kind: 'contract', key: 'a b', value: {} })).rejects.toMatchObject(invalid);
    const huge = { kind: 'contract', key: freshModel(), value: { text: 'x'.repeat(MAX_ENTRY_BYTES) } };
    await expect(store.writeEntry(huge)).rejects.toMatchObject(invalid);
    expect(await store.readEntry(huge)).toBeUndefined();
  });
}
