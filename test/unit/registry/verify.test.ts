import { randomBytes } from 'node:crypto';
import { beforeEach, describe, expect, it } from 'vitest';
import {
  distinctPlaces,
  placesOf,
  type Digest,
  type SegmentPlace,
  type VersionRecord,
  type VersionStore,
} from '../../../src/core/index.js';
import { storeSource, verify, type SegmentSource } from '../../../src/registry/index.js';
import { createMemoryData, openMemoryStore, type MemoryData } from '../../../src/stores/index.js';
import { contentsOf, digestsOf, readBack, sourceOf, type MadeContents } from '../../../src/testing/index.js';

let data: MemoryData;
let store: VersionStore;
let trunk: Buffer;

beforeEach(async () => {
  data = createMemoryData();
  store = await openMemoryStore({ data });
  trunk = randomBytes(300);
});

function contents(head = randomBytes(100)): MadeContents {
  return contentsOf({ 'head.bin': head, 'trunk.bin': trunk }, { segmentBytes: 150 });
}

async function publish(made: MadeContents, to = store): Promise<VersionRecord> {
  return (await to.publish({ model: 'm', manifest: made.manifest }, made.source)).record;
}

function placeIn(made: MadeContents, path: string, index: number): SegmentPlace {
  const file = made.manifest.files.find((one) => one.path === path);
  const place = file === undefined ? undefined : [...placesOf(file)][index];
  if (place === undefined) throw new Error(`There is no segment ${index} of ${path}`);
  return place;
}

function flip({ digest }: SegmentPlace): void {
  const bytes = Buffer.from(data.segments.get(digest) ?? []);
  bytes.writeUInt8(bytes.readUInt8(7) ^ 1, 7);
  data.segments.set(digest, bytes);
}

const refuse: SegmentSource = { name: 'an empty cache', open: () => Promise.resolve(undefined) };

describe('verifying a store', () => {
  it('finds nothing in one that is whole, and says how much it looked at', async () => {
    await publish(contents());
    await publish(contents());
    expect(await verify(store)).toEqual({
      deep: false,
      versions: 2,
      segments: 4,
      readBytes: 0,
      skippedBytes: 0,
      findings: [],
      problems: 0,
    });
    expect(await verify(store, { deep: true })).toMatchObject({ deep: true, readBytes: 500, findings: [] });
  });

  it('names every version and file that a damaged segment concerns, and only if it reads', async () => {
    const [one, two] = [contents(), contents()];
    await publish(one);
    await publish(two);
    const place = placeIn(one, 'trunk.bin', 1);
    flip(place);
    expect((await verify(store)).findings).toEqual([]);
    const { findings, problems } = await verify(store, { deep: true });
    expect(problems).toBe(1);
    expect(findings).toMatchObject([
      {
        kind: 'damaged',
        severity: 'problem',
        segment: place.digest,
        bytes: 150,
        places: [
          { version: 'm:1', path: 'trunk.bin' },
          { version: 'm:2', path: 'trunk.bin' },
        ],
      },
    ]);
    const reference = { model: 'm', selector: { kind: 'version', version: 2 } } as const;
    expect((await verify(store, { deep: true, reference })).findings).toMatchObject([
      { places: [{ version: 'm:2', path: 'trunk.bin' }] },
    ]);
  });

  it('finds missing and truncated segments without reading', async () => {
    const made = contents();
    await publish(made);
    const [gone, short] = [placeIn(made, 'head.bin', 0), placeIn(made, 'trunk.bin', 0)];
    data.segments.delete(gone.digest);
    data.segments.set(short.digest, trunk.subarray(0, 149));
    const { findings } = await verify(store);
    expect(findings).toMatchObject([
      { kind: 'missing', segment: gone.digest, places: [{ version: 'm:1', path: 'head.bin' }] },
      { kind: 'missing', segment: short.digest },
    ]);
  });

  it('finds manifests that are altered, aliases that point at nothing, and what no version needs', async () => {
    const record = await publish(contents());
    await publish(contents());
    const broken = { open: () => half() };
    await expect(store.publish({ model: 'n', manifest: contents().manifest }, broken)).rejects.toThrow('broke');
    data.rows.set('segment sha256:rest', JSON.stringify({ digest: 'sha256:rest', size: 9, touchedAtMs: 1 }));
    data.rows.set('alias m p', JSON.stringify({ model: 'm', alias: 'p', version: 7, revision: 1 }));
    data.rows.set(`manifest ${record.digest}`, '{"schema":1}');
    const { findings, problems } = await verify(store);
    expect(problems).toBe(2);
    expect(findings.filter(({ severity }) => severity === 'problem')).toMatchObject([
      { kind: 'manifest', places: [{ version: 'm:1' }] },
      { kind: 'dangling-alias', places: [{ version: 'm:7' }] },
    ]);
    const kinds = findings.filter(({ severity }) => severity === 'note').map(({ kind }) => kind);
    // The head of the version whose manifest is damaged, the two heads of which one was begun, and the row alone.
    expect(kinds.toSorted()).toEqual(['orphaned', 'orphaned', 'unreferenced']);
  });

  it('does not read again what an earlier run found good, and stops when it is told to', async () => {
    await publish(contents());
    const verified = new Set<Digest>();
    const stop = new AbortController();
    const cut = verify(store, {
      deep: true,
      concurrency: 1,
      verified,
      signal: stop.signal,
      onProgress: ({ doneBytes }) => doneBytes >= 250 && stop.abort(),
    });
    await expect(cut).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(verified.size).toBeGreaterThan(0);
    const before = verified.size;
    const rest = await verify(store, { deep: true, verified });
    expect(rest.skippedBytes + rest.readBytes).toBe(400);
    expect(rest.skippedBytes).toBeGreaterThan(0);
    expect(verified.size).toBeGreaterThan(before);
  });

  it('keeps to a rate', async () => {
    await publish(contents());
    const begun = performance.now();
    await verify(store, { deep: true, bytesPerSecond: 2_000 });
    expect(performance.now() - begun).toBeGreaterThan(150);
  });
});

describe('repairing', () => {
  it('mends segments and manifests from another store, and says from where', async () => {
    const [one, two] = [contents(), contents()];
    const record = await publish(one);
    await publish(two);
    const other = await openMemoryStore();
    await publish(two, other);
    await publish(one, other);
    flip(placeIn(two, 'trunk.bin', 0));
    data.segments.delete(placeIn(two, 'head.bin', 0).digest);
    data.rows.delete(`manifest ${record.digest}`);
    const sources = [refuse, storeSource(other)];
    const { findings, problems } = await verify(store, { deep: true, repair: true, sources });
    expect(problems).toBe(0);
    expect(findings.map(({ kind, repaired }) => [kind, repaired])).toEqual(
      expect.arrayContaining([
        ['manifest', true],
        ['damaged', true],
        ['missing', true],
      ]),
    );
    expect(await verify(store, { deep: true })).toMatchObject({ findings: [], problems: 0 });
    for (const [index, made] of [one, two].entries()) {
      const version = await store.resolve({ model: 'm', selector: { kind: 'version', version: index + 1 } });
      expect(await readBack(store, version)).toEqual(digestsOf(made.files));
    }
  });

  it('writes nothing from a copy that is as damaged, and says what was missing', async () => {
    const made = contents();
    await publish(made);
    const place = placeIn(made, 'trunk.bin', 0);
    const wrong: SegmentSource = {
      name: 'a damaged cache',
      open: () => Promise.resolve(sourceOf({ x: Buffer.alloc(150) }).open('x', { start: 0, end: 150 })),
    };
    flip(place);
    const damaged = Buffer.from(data.segments.get(place.digest) ?? []);
    const { findings, problems } = await verify(store, { deep: true, repair: true, sources: [wrong] });
    expect(problems).toBe(1);
    expect(findings).toMatchObject([{ kind: 'damaged', repaired: false }]);
    expect(findings[0]?.repairNote).toContain('a damaged cache');
    expect(data.segments.get(place.digest)?.equals(damaged)).toBe(true);
  });

  it('mends a single file', async () => {
    const made = contentsOf({ 'model.joblib': randomBytes(400) }, { format: 'joblib', segmentBytes: 150 });
    const record = await publish(made);
    const other = await openMemoryStore();
    await publish(made, other);
    for (const place of distinctPlaces(made.manifest).slice(1)) flip(place);
    const { problems, findings } = await verify(store, { deep: true, repair: true, sources: [storeSource(other)] });
    expect([findings.length, problems]).toEqual([2, 0]);
    expect(await readBack(store, record)).toEqual(digestsOf(made.files));
  });
});

async function* half(): AsyncGenerator<Uint8Array> {
  yield await Promise.resolve(Buffer.alloc(1));
  throw new Error('the source broke');
}
