import { randomBytes } from 'node:crypto';
import { expect, it, vi } from 'vitest';
import { digestOf, distinctPlaces, type ContentSource, type StoredData, type VersionStore } from '../core/index.js';
import type { StoreSuite } from './describe-version-store.js';
import { contentsOf, digestsOf, freshContents, freshModel, readBack, type MadeContents } from './drafts.js';

async function stored(store: VersionStore, made: MadeContents): Promise<StoredData[]> {
  const digests = new Set<string>(distinctPlaces(made.manifest).map(({ digest }) => digest));
  const found: StoredData[] = [];
  for await (const data of store.listStored()) if (digests.has(data.id)) found.push(data);
  return found;
}

/** A time of the store that is later than everything that was touched up to now. */
async function later(store: VersionStore): Promise<Date> {
  const before = await store.now();
  return vi.waitFor(async () => {
    const now = await store.now();
    expect(now.getTime()).toBeGreaterThan(before.getTime() + 1);
    return now;
  });
}

const digestsIn = (made: MadeContents): string[] => distinctPlaces(made.manifest).map(({ digest }) => digest);

function deletingCases(suite: StoreSuite): void {
  it('deletes a version, finds it by nothing any more, and restores it whole', async () => {
    const store = suite.store();
    const model = freshModel();
    const made = freshContents();
    const { record } = await store.publish({ model, manifest: made.manifest }, made.source);
    const other = freshContents();
    await store.publish({ model, manifest: other.manifest }, other.source);
    expect(record.changedAt).toBeUndefined();
    const deleted = await store.setState(model, 1, 'deleted', { by: 'ann', message: 'old' });
    expect(deleted).toMatchObject({ version: 1, state: 'deleted' });
    expect(deleted.changedAt).toBeInstanceOf(Date);
    const digest = record.digest ?? '';
    for (const selector of [{ kind: 'version', version: 1 } as const, { kind: 'digest', digest } as const]) {
      await expect(store.resolve({ model, selector })).rejects.toMatchObject({ code: 'VERSION_NOT_FOUND' });
      expect(await store.isCurrent({ model, selector }, 1)).toBe(false);
    }
    await expect(store.moveAlias({ model, alias: 'a', to: 1 })).rejects.toMatchObject({ code: 'VERSION_NOT_FOUND' });
    expect((await store.listVersions({ model })).map(({ version }) => version)).toEqual([2]);
    expect(await store.listVersions({ model, deleted: true })).toMatchObject([{ state: 'deleted' }, { version: 2 }]);
    expect(await store.setState(model, 1, 'ready')).toMatchObject({ state: 'ready' });
    expect(await readBack(store, await store.resolve({ model, selector: { kind: 'version', version: 1 } }))).toEqual(
      digestsOf(made.files),
    );
    expect((await store.listEvents({ model })).slice(0, 2)).toMatchObject([
      { kind: 'restored', version: 1 },
      { kind: 'deleted', version: 1, by: 'ann', message: 'old' },
    ]);
  });

  it('refuses to delete what an alias points at', async () => {
    const store = suite.store();
    const model = freshModel();
    const made = freshContents();
    await store.publish({ model, manifest: made.manifest }, made.source);
    await store.moveAlias({ model, alias: 'p', to: 1 });
    await expect(store.setState(model, 1, 'deleted')).rejects.toMatchObject({ code: 'ALIAS_CONFLICT' });
    await expect(store.setState(model, 9, 'deleted')).rejects.toMatchObject({ code: 'VERSION_NOT_FOUND' });
    expect(await store.collectVersion(model, 1, { before: await later(store) })).toBe(false);
  });
}

function endingCases(suite: StoreSuite): void {
  it('lets one of an alias that moves to a version and its deletion win', async () => {
    const store = suite.store();
    const other = (await suite.second()) ?? store;
    const model = freshModel();
    for (let version = 1; version <= 8; version += 1) {
      const made = freshContents();
      await store.publish({ model, manifest: made.manifest }, made.source);
      await Promise.allSettled([
        other.moveAlias({ model, alias: `a${version}`, to: version }),
        store.setState(model, version, 'deleted'),
      ]);
    }
    const there = new Set((await store.listVersions({ model })).map(({ version }) => version));
    for (const alias of await store.listAliases({ model })) expect(there).toContain(alias.version);
  });

  it('collects a version that was deleted long enough ago, once, and never gives its number again', async () => {
    const store = suite.store();
    const model = freshModel();
    const made = freshContents();
    const { record } = await store.publish({ model, manifest: made.manifest }, made.source);
    const early = await store.now();
    await later(store);
    await store.setState(model, 1, 'deleted');
    expect(await store.collectVersion(model, 1, { before: early })).toBe(false);
    const before = await later(store);
    expect(await store.collectVersion(model, 1, { before, by: 'gc' })).toBe(true);
    expect(await store.collectVersion(model, 1, { before })).toBe(false);
    expect(await store.listVersions({ model, deleted: true })).toEqual([]);
    await expect(store.setState(model, 1, 'ready')).rejects.toMatchObject({ code: 'VERSION_NOT_FOUND' });
    await expect(store.readManifest(record)).rejects.toMatchObject({ code: 'VERSION_NOT_FOUND' });
    const again = await store.publish({ model, manifest: made.manifest }, made.source);
    expect(again.record.version).toBe(2);
    expect(await readBack(store, again.record)).toEqual(digestsOf(made.files));
    expect((await store.listEvents({ model })).map(({ kind }) => kind)).toEqual([
      'published',
      'collected',
      'deleted',
      'published',
    ]);
  });
}

function sweepingCases(suite: StoreSuite): void {
  it('lists what is stored, with its size and the time it was touched', async () => {
    const store = suite.store();
    const made = contentsOf({ 'a.bin': randomBytes(300_000) }, { segmentBytes: 150_000 });
    const before = await store.now();
    await store.publish({ model: freshModel(), manifest: made.manifest }, made.source);
    const found = await stored(store, made);
    expect(found.map(({ id }) => id).toSorted()).toEqual(digestsIn(made).toSorted());
    for (const data of found) {
      expect(data).toMatchObject({ kind: 'segment', bytes: 150_000, isWhole: true });
      expect(data.touchedAt.getTime()).toBeGreaterThanOrEqual(before.getTime());
      const parts: Uint8Array[] = [];
      const segment = distinctPlaces(made.manifest).find(({ digest }) => digest === data.id);
      if (segment === undefined) throw new Error('Another segment was listed');
      for await (const part of store.readStored(segment)) parts.push(part);
      expect(digestOf(Buffer.concat(parts))).toBe(data.id);
    }
  });

  it('removes what was not touched since a time, and nothing else', async () => {
    const store = suite.store();
    const model = freshModel();
    const [old, reused] = [freshContents(), freshContents()];
    await store.publish({ model, manifest: old.manifest }, old.source);
    await store.publish({ model, manifest: reused.manifest }, reused.source);
    const before = await later(store);
    // Publishing it again makes nothing and relies on it: that is a touch.
    await store.publish({ model: freshModel(), manifest: reused.manifest }, reused.source);
    const ids = [...digestsIn(old), ...digestsIn(reused)];
    const removed = await store.removeStored(ids, { before });
    expect([...removed].toSorted()).toEqual(digestsIn(old).toSorted());
    expect(await stored(store, old)).toEqual([]);
    expect(await stored(store, reused)).toHaveLength(digestsIn(reused).length);
    expect(await store.removeStored(ids, { before })).toEqual([]);
    const again = await store.publish({ model: freshModel(), manifest: old.manifest }, old.source);
    expect(await readBack(store, again.record)).toEqual(digestsOf(old.files));
  });
}

function racingCases(suite: StoreSuite): void {
  it('stores again what was removed while it was published', async () => {
    const store = suite.store();
    const other = (await suite.second()) ?? store;
    const made = contentsOf({ 'a.bin': randomBytes(400_000) }, { segmentBytes: 100_000 });
    let asked = 0;
    const source: ContentSource = {
      async *open(path, range, options) {
        asked += 1;
        // A collector whose grace time is over for what was stored a moment ago: the first two segments.
        if (asked === 3) await other.removeStored(digestsIn(made), { before: await later(other) });
        yield* made.source.open(path, range, options);
      },
    };
    const { record } = await store.publish({ model: freshModel(), manifest: made.manifest }, source);
    expect(asked).toBeGreaterThan(4);
    expect(await readBack(store, record)).toEqual(digestsOf(made.files));
  });

  it('keeps every version whole while collectors without grace and publishers of the same bytes race', async () => {
    const store = suite.store();
    const other = (await suite.second()) ?? store;
    const made = contentsOf({ 'a.bin': randomBytes(600_000) }, { segmentBytes: 100_000 });
    for (let round = 0; round < 4; round += 1) {
      const model = freshModel();
      const [published] = await Promise.all([
        store.publish({ model, manifest: made.manifest }, made.source),
        // As of now: what is touched from here on is not theirs.
        other.now().then((before) => other.removeStored(digestsIn(made), { before })),
      ]);
      expect(await readBack(store, published.record)).toEqual(digestsOf(made.files));
    }
  });
}

function retentionCases(suite: StoreSuite): void {
  it('keeps retention policies, and tells of each change', async () => {
    const [store, model] = [suite.store(), freshModel()];
    const policy = { model, keepLast: 5, keepAliased: true, keepYoungerThanMs: 1_000 };
    await store.setRetention(policy, { by: 'ann', message: 'why' });
    expect((await store.listRetention()).filter((one) => one.model === model)).toEqual([policy]);
    await store.setRetention({ model });
    expect((await store.listRetention()).filter((one) => one.model === model)).toEqual([]);
    const { model: _, ...rules } = policy;
    expect(await store.listEvents({ model })).toMatchObject([
      { kind: 'retention-set', rules: {} },
      { kind: 'retention-set', rules, by: 'ann', message: 'why' },
    ]);
  });
}

/** Looking after what is stored: deleting, removing, and what policies ask to keep. */
export function careCases(suite: StoreSuite): void {
  deletingCases(suite);
  endingCases(suite);
  sweepingCases(suite);
  racingCases(suite);
  retentionCases(suite);
}
