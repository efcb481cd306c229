import { randomBytes } from 'node:crypto';
import { expect, it } from 'vitest';
import { contentSize, manifestDigest, placesOf, type ContentSource } from '../core/index.js';
import type { StoreSuite } from './describe-version-store.js';
import { contentsOf, freshContents, digestsOf, freshModel, readBack, sourceOf } from './drafts.js';

function layoutCases(suite: StoreSuite): void {
  it('gives back several files byte for byte: empty ones, a segment used twice, a segment of several chunks', async () => {
    const store = suite.store();
    const twice = randomBytes(700_000);
    const made = contentsOf(
      { 'a.bin': Buffer.concat([twice, twice]), 'empty.txt': Buffer.alloc(0), 'sub/b.bin': randomBytes(1_234_567) },
      { segmentBytes: 700_000, task: 'text-classification' },
    );
    const model = freshModel();
    const result = await store.publish(
      { model, manifest: made.manifest, message: 'why', publishedBy: 'who', parent: 'p:1', metadata: { loss: 0.25 } },
      made.source,
    );
    expect(result).toMatchObject({ created: true, sentBytes: 700_000 + 1_234_567 });
    expect(result.record).toMatchObject({
      model,
      version: 1,
      digest: manifestDigest(made.manifest),
      format: 'hf',
      task: 'text-classification',
      size: contentSize(made.manifest),
      state: 'ready',
      message: 'why',
      publishedBy: 'who',
      parent: 'p:1',
      metadata: { loss: 0.25 },
    });
    expect(result.record.id).toMatch(/^[0-9a-f]{24}$/);
    expect(result.record.publishedAt).toBeInstanceOf(Date);
    const found = await store.resolve({ model, selector: { kind: 'latest' } });
    expect(found).toEqual(result.record);
    expect(await store.readManifest(found)).toEqual(made.manifest);
    expect(await readBack(store, found)).toEqual(digestsOf(made.files));
  });

  it('gives back a single-file version byte for byte', async () => {
    const store = suite.store();
    const made = contentsOf({ 'model.joblib': randomBytes(400_000) }, { format: 'joblib', segmentBytes: 150_000 });
    const { record } = await store.publish({ model: freshModel(), manifest: made.manifest }, made.source);
    expect(await store.readManifest(record)).toEqual(made.manifest);
    expect(await readBack(store, record)).toEqual(digestsOf(made.files));
  });
}

function offsetCases(suite: StoreSuite): void {
  it('reads a segment from a start offset', async () => {
    const store = suite.store();
    const made = contentsOf({ 'a.bin': randomBytes(900_000) }, { segmentBytes: 600_000 });
    const { record } = await store.publish({ model: freshModel(), manifest: made.manifest }, made.source);
    const file = made.manifest.files[0];
    if (file === undefined) throw new Error('no file');
    for (const place of placesOf(file)) {
      for (const start of [1, 123_456, place.size - 1, place.size]) {
        const parts: Uint8Array[] = [];
        for await (const part of store.readSegment(record, place, { start })) parts.push(part);
        const wanted = made.files['a.bin']?.subarray(place.offset + start, place.offset + place.size);
        expect(Buffer.concat(parts).equals(wanted ?? Buffer.alloc(0))).toBe(true);
      }
    }
  });
}

function sharingCases(suite: StoreSuite): void {
  it('makes nothing of an identical publish and sends no byte, unless forced', async () => {
    const store = suite.store();
    const { manifest, source } = freshContents();
    const model = freshModel();
    const first = await store.publish({ model, manifest }, source);
    const again = await store.publish({ model, manifest }, source);
    expect(again).toMatchObject({ created: false, sentBytes: 0, record: { version: 1, id: first.record.id } });
    const forced = await store.publish({ model, manifest, force: true }, source);
    expect(forced).toMatchObject({ created: true, sentBytes: 0, record: { version: 2 } });
    expect(forced.record.id).not.toBe(first.record.id);
  });

  it('shares segments across versions and models, and reports progress up to the total', async () => {
    const store = suite.store();
    const trunk = randomBytes(500_000);
    const one = contentsOf({ 'head.bin': randomBytes(10_000), 'trunk.bin': trunk });
    const two = contentsOf({ 'head.bin': randomBytes(20_000), 'trunk.bin': trunk });
    const model = freshModel();
    await store.publish({ model, manifest: one.manifest }, one.source);
    const seen: { doneBytes: number; totalBytes: number }[] = [];
    const second = await store.publish({ model, manifest: two.manifest }, two.source, {
      onProgress: (progress) => seen.push(progress),
    });
    expect(second).toMatchObject({ created: true, sentBytes: 20_000, reusedBytes: 500_000, record: { version: 2 } });
    expect(seen.at(-1)?.doneBytes).toBe(seen.at(-1)?.totalBytes);
    expect(seen.map(({ doneBytes }) => doneBytes)).toEqual(
      seen.map(({ doneBytes }) => doneBytes).toSorted((a, b) => a - b),
    );
    const other = await store.publish({ model: freshModel(), manifest: two.manifest }, two.source);
    expect(other).toMatchObject({ created: true, sentBytes: 0, reusedBytes: 520_000, record: { version: 1 } });
    expect(await readBack(store, other.record)).toEqual(digestsOf(two.files));
  });

  it('gives concurrent publishers distinct consecutive numbers', async () => {
    const stores = [suite.store(), (await suite.second()) ?? suite.store()];
    const model = freshModel();
    const results = await Promise.all(
      Array.from({ length: 8 }, async (_, index) => {
        const { manifest, source } = freshContents();
        const store = stores[index % 2];
        if (store === undefined) throw new Error('no store');
        return store.publish({ model, manifest }, source);
      }),
    );
    expect(results.map(({ record }) => record.version).toSorted((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(new Set(results.map(({ record }) => record.id)).size).toBe(8);
  });
}

/** Publishing that succeeds. */
export function publishCases(suite: StoreSuite): void {
  layoutCases(suite);
  offsetCases(suite);
  sharingCases(suite);
}

function failingAt(path: string, good: ContentSource, error: Error): ContentSource {
  return {
    async *open(asked, range, options) {
      if (asked === path && range.end > 300_000) throw error;
      yield* good.open(asked, range, options);
    },
  };
}

/** Publishing that fails, and leaves nothing to be seen. */
export function failureCases(suite: StoreSuite): void {
  it('shows nothing of a publish whose source failed, and reuses what it had sent', async () => {
    const store = suite.store();
    const made = contentsOf({ 'a.bin': randomBytes(1_000_000) });
    const model = freshModel();
    const error = new Error('the disk of the source broke');
    await expect(
      store.publish({ model, manifest: made.manifest }, failingAt('a.bin', made.source, error)),
    ).rejects.toBe(error);
    expect(await store.listVersions({ model })).toEqual([]);
    expect(await store.listEvents({ model })).toEqual([]);
    const again = await store.publish({ model, manifest: made.manifest }, made.source);
    expect(again.record.version).toBe(1);
    expect(again.sentBytes + again.reusedBytes).toBe(1_000_000);
    expect(again.reusedBytes).toBeGreaterThanOrEqual(100_000);
    expect(await readBack(store, again.record)).toEqual(digestsOf(made.files));
  });

  it.each([
    ['altered', (bytes: Buffer) => Buffer.concat([bytes.subarray(0, -1), Buffer.from([(bytes.at(-1) ?? 0) ^ 1])])],
    ['too short', (bytes: Buffer) => bytes.subarray(0, -1)],
  ])('rejects bytes that are %s with DIGEST_MISMATCH', async (_, damage) => {
    const store = suite.store();
    const made = contentsOf({ 'a.bin': randomBytes(250_000) });
    const model = freshModel();
    const damaged = sourceOf({ 'a.bin': damage(made.files['a.bin'] ?? Buffer.alloc(0)) });
    await expect(store.publish({ model, manifest: made.manifest }, damaged)).rejects.toMatchObject({
      code: 'DIGEST_MISMATCH',
    });
    expect(await store.listVersions({ model })).toEqual([]);
    const good = await store.publish({ model, manifest: made.manifest }, made.source);
    expect(await readBack(store, good.record)).toEqual(digestsOf(made.files));
  });

  it('ends a publish with CANCELLED when the signal fires before or during it', async () => {
    const store = suite.store();
    const made = contentsOf({ 'a.bin': randomBytes(1_000_000) });
    const model = freshModel();
    const draft = { model, manifest: made.manifest };
    const early = AbortSignal.abort();
    await expect(store.publish(draft, made.source, { signal: early })).rejects.toMatchObject({ code: 'CANCELLED' });
    const during = new AbortController();
    const publishing = store.publish(draft, made.source, {
      signal: during.signal,
      onProgress: () => during.abort(),
    });
    await expect(publishing).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(await store.listVersions({ model })).toEqual([]);
  });
}
