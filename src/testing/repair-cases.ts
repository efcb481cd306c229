import { randomBytes } from 'node:crypto';
import { expect, it } from 'vitest';
import { distinctPlaces, type ContentSource, type SegmentPlace } from '../core/index.js';
import type { StoreSuite } from './describe-version-store.js';
import { contentsOf, digestsOf, freshContents, freshModel, readBack } from './drafts.js';

/** Mending what is damaged, and remembering what was found. */
export function repairCases(suite: StoreSuite): void {
  it('mends what is damaged or missing of a version, and asks the source for no more than that', async ({ skip }) => {
    const store = suite.store();
    const damage = suite.damage();
    if (damage === undefined) return skip('the adapter gives no way to damage what it stored');
    const made = contentsOf({ 'a.bin': randomBytes(900_000) }, { segmentBytes: 300_000 });
    const { record } = await store.publish({ model: freshModel(), manifest: made.manifest }, made.source);
    const [first, second, third] = distinctPlaces(made.manifest) as [SegmentPlace, SegmentPlace, SegmentPlace];
    await damage(record, first, 'altered');
    await damage(record, third, 'removed');
    const asked: number[] = [];
    const source: ContentSource = {
      open: (path, range, options) => {
        asked.push(range.start);
        return made.source.open(path, range, options);
      },
    };
    await store.repair(record, made.manifest, source, { segments: [first, second] });
    expect(asked).toEqual([0]);
    await store.repair(record, made.manifest, source);
    expect(asked).toEqual([0, 600_000]);
    expect(await readBack(store, record)).toEqual(digestsOf(made.files));
    const wrong = store.repair(record, freshContents().manifest, source);
    await expect(wrong).rejects.toMatchObject({ code: 'DIGEST_MISMATCH' });
  });

  it('mends a single-file version', async ({ skip }) => {
    const store = suite.store();
    const damage = suite.damage();
    if (damage === undefined) return skip('the adapter gives no way to damage what it stored');
    const made = contentsOf({ 'model.joblib': randomBytes(400_000) }, { format: 'joblib', segmentBytes: 150_000 });
    const { record } = await store.publish({ model: freshModel(), manifest: made.manifest }, made.source);
    const [place] = distinctPlaces(made.manifest);
    if (place === undefined) throw new Error('The contents have no segment');
    await damage(record, place, 'altered');
    await store.repair(record, made.manifest, made.source);
    expect(await readBack(store, record)).toEqual(digestsOf(made.files));
  });

  it('records what a verification found of a version, also of a deleted one, and changes nothing', async () => {
    const [store, model] = [suite.store(), freshModel()];
    const made = freshContents();
    const { record } = await store.publish({ model, manifest: made.manifest }, made.source);
    await store.recordVerified({ model, version: 1, deep: true, problems: 0, repaired: 2, by: 'ann' });
    expect(await store.resolve({ model, selector: { kind: 'latest' } })).toEqual(record);
    await store.setState(model, 1, 'deleted');
    await store.recordVerified({ model, version: 1, deep: false, problems: 1, repaired: 0 });
    const found = (await store.listEvents({ model })).filter(({ kind }) => kind === 'verified');
    expect(found).toMatchObject([
      { version: 1, deep: false, problems: 1, repaired: 0 },
      { version: 1, deep: true, problems: 0, repaired: 2, by: 'ann' },
    ]);
    const nobody = { model, version: 9, deep: true, problems: 0, repaired: 0 };
    await expect(store.recordVerified(nobody)).rejects.toMatchObject({ code: 'VERSION_NOT_FOUND' });
  });
}
