import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import {
  digestOf,
  distinctPlaces,
  type Manifest,
  type ReadOptions,
  type SegmentPlace,
  type VersionRecord,
  type VersionStore,
} from '../core/index.js';
import type { SegmentDamage, StoreSuite } from './describe-version-store.js';
import { contentsOf, digestsOf, freshContents, freshModel, readBack } from './drafts.js';

const DAMAGES: readonly SegmentDamage[] = ['altered', 'truncated', 'removed'];

function placeOf(manifest: Manifest, index: number): SegmentPlace {
  const place = distinctPlaces(manifest)[index];
  if (place === undefined) throw new Error(`The contents have no segment ${index}`);
  return place;
}

async function bytesOf(
  store: VersionStore,
  record: VersionRecord,
  place: SegmentPlace,
  options: ReadOptions = {},
): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of store.readSegment(record, place, options)) parts.push(Buffer.from(part));
  return Buffer.concat(parts);
}

function damageCases(suite: StoreSuite): void {
  it.for(DAMAGES)('rejects reading a segment whose stored bytes were %s with DIGEST_MISMATCH', async (how, test) => {
    const store = suite.store();
    const damage = suite.damage();
    if (damage === undefined) return test.skip('the adapter gives no way to damage what it stored');
    const made = contentsOf({ 'a.bin': randomBytes(700_000) }, { segmentBytes: 350_000 });
    const { record } = await store.publish({ model: freshModel(), manifest: made.manifest }, made.source);
    const [whole, hurt] = [placeOf(made.manifest, 0), placeOf(made.manifest, 1)];
    await damage(record, hurt, how);
    await expect(bytesOf(store, record, hurt)).rejects.toMatchObject({ code: 'DIGEST_MISMATCH' });
    expect(digestOf(await bytesOf(store, record, whole))).toBe(whole.digest);
  });

  it.for(['truncated', 'removed'] as const)(
    'tells a reader that hashes itself of bytes that were %s',
    async (how, test) => {
      const store = suite.store();
      const damage = suite.damage();
      if (damage === undefined) return test.skip('the adapter gives no way to damage what it stored');
      const made = contentsOf({ 'a.bin': randomBytes(350_000) }, { segmentBytes: 350_000 });
      const { record } = await store.publish({ model: freshModel(), manifest: made.manifest }, made.source);
      const place = placeOf(made.manifest, 0);
      await damage(record, place, how);
      const read = bytesOf(store, record, place, { unchecked: true });
      await expect(read).rejects.toMatchObject({ code: 'DIGEST_MISMATCH' });
    },
  );

  it('rejects reading a segment that was never stored with DIGEST_MISMATCH', async () => {
    const store = suite.store();
    const [made, absent] = [freshContents(), freshContents()];
    const { record } = await store.publish({ model: freshModel(), manifest: made.manifest }, made.source);
    const place = placeOf(absent.manifest, 0);
    await expect(bytesOf(store, record, place)).rejects.toMatchObject({ code: 'DIGEST_MISMATCH' });
  });
}

/** Reading contents: damage, readers that stop early, files. */
export function readCases(suite: StoreSuite): void {
  damageCases(suite);

  it('gives the same bytes to readers that hash them and are done with each part, several at a time', async () => {
    const store = suite.store();
    const made = contentsOf({ 'a.bin': randomBytes(6_000_000) }, { segmentBytes: 2_500_000 });
    const { record } = await store.publish({ model: freshModel(), manifest: made.manifest }, made.source);
    const options = { unchecked: true, passing: true };
    for (const start of [0, 1_100_000]) {
      const places = distinctPlaces(made.manifest).filter(({ size }) => size > start);
      const reads = places.map((place) => bytesOf(store, record, place, { ...options, start }));
      const wholes = await Promise.all(places.map((place) => bytesOf(store, record, place)));
      const wanted = wholes.map((whole) => digestOf(whole.subarray(start)));
      expect((await Promise.all(reads)).map(digestOf)).toEqual(wanted);
    }
  });

  it('lets a reader stop early, and read again', async () => {
    const store = suite.store();
    const made = contentsOf({ 'a.bin': randomBytes(3_000_000) }, { segmentBytes: 3_000_000 });
    const { record } = await store.publish({ model: freshModel(), manifest: made.manifest }, made.source);
    const place = placeOf(made.manifest, 0);
    const reader = store.readSegment(record, place)[Symbol.asyncIterator]();
    expect((await reader.next()).done).toBe(false);
    await reader.return?.();
    expect((await reader.next()).done).toBe(true);
    expect(await readBack(store, record)).toEqual(digestsOf(made.files));
  });

  it('names the files of its segments if they are files of this machine, and only then', async () => {
    const store = suite.store();
    const [made, absent] = [freshContents(), freshContents()];
    await store.publish({ model: freshModel(), manifest: made.manifest }, made.source);
    expect(typeof store.segmentFile).toBe(store.capabilities.localFiles ? 'function' : 'undefined');
    for (const place of store.capabilities.localFiles ? distinctPlaces(made.manifest) : []) {
      const file = await store.segmentFile?.(place);
      expect(digestOf(await readFile(file ?? ''))).toBe(place.digest);
    }
    expect(await store.segmentFile?.(placeOf(absent.manifest, 0))).toBeUndefined();
  });
}
