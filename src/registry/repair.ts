import {
  asModelkeepError,
  createDigester,
  ModelkeepError,
  placesOf,
  versionName,
  type Abortable,
  type ContentSource,
  type Digest,
  type Manifest,
  type Segment,
  type SegmentPlace,
  type VersionRecord,
  type VersionStore,
} from '../core/index.js';
import type { Finding } from './finding.js';

/** Somewhere that may hold whole copies of segments: a node's cache, another store. */
export interface SegmentSource {
  /** For messages. */
  readonly name: string;
  /** The bytes of a segment; undefined if it is not there. What comes is checked by whoever asks. */
  open(segment: Segment, options?: Abortable): Promise<AsyncIterable<Uint8Array> | undefined>;
  /** A manifest of that digest, where such are held. */
  manifest?(digest: Digest, options?: Abortable): Promise<Manifest | undefined>;
}

/** Options of {@link repairVersion}. */
interface RepairVersionOptions extends Abortable {
  readonly sources: readonly SegmentSource[];
  /** The version's manifest, where it can be read. */
  readonly manifest?: Manifest;
}

type Mended = Pick<Finding, 'repaired' | 'repairNote'>;

/** Another store as a place to look for whole segments and manifests. */
export function storeSource(store: VersionStore): SegmentSource {
  /** The version and the place that hold a segment, learnt once. */
  let places: Promise<Map<Digest, { record: VersionRecord; place: SegmentPlace }>> | undefined;
  const learn = async (options: Abortable): Promise<Map<Digest, { record: VersionRecord; place: SegmentPlace }>> => {
    const found = new Map<Digest, { record: VersionRecord; place: SegmentPlace }>();
    for (const record of await store.listVersions({ deleted: true }, options)) {
      const manifest = await readable(store, record, options);
      for (const file of manifest?.files ?? [])
        for (const place of placesOf(file)) if (!found.has(place.digest)) found.set(place.digest, { record, place });
    }
    return found;
  };
  return {
    name: store.location,
    async open({ digest }, options = {}) {
      places ??= learn(options);
      const found = (await places).get(digest);
      return found === undefined ? undefined : store.readSegment(found.record, found.place, options);
    },
    async manifest(digest, options = {}) {
      for (const record of await store.listVersions({ deleted: true }, options)) {
        const manifest = record.digest === digest ? await readable(store, record, options) : undefined;
        if (manifest !== undefined) return manifest;
      }
      return undefined;
    },
  };
}

/** A manifest, unless it is as damaged there. */
async function readable(store: VersionStore, record: VersionRecord, options: Abortable): Promise<Manifest | undefined> {
  try {
    return await store.readManifest(record, options);
  } catch (error) {
    if (error instanceof ModelkeepError && ['DIGEST_MISMATCH', 'VERSION_NOT_FOUND'].includes(error.code))
      return undefined;
    throw error;
  }
}

/**
 * Mends a version from the first source that has a whole copy of each damaged segment. Good bytes of a file come from
 * the store itself.
 */
export async function repairVersion(
  store: VersionStore,
  record: VersionRecord,
  damaged: ReadonlySet<Digest>,
  { sources, manifest: known, ...abortable }: RepairVersionOptions,
): Promise<Mended> {
  const manifest = known ?? (await findManifest(store, record, sources, abortable));
  if (manifest === undefined) {
    return { repaired: false, repairNote: `no readable copy of the manifest ${record.digest ?? ''} was found` };
  }
  const used = new Set<string>();
  const content = contentOf({ store, record, manifest, damaged, sources, used });
  try {
    const all = manifest.files.flatMap((file) => [...placesOf(file)]);
    // A manifest that had to be found says nothing about the segments: all are looked at.
    const only = known === undefined ? {} : { segments: all.filter(({ digest }) => damaged.has(digest)) };
    await store.repair(record, manifest, content, { ...only, ...abortable });
    for (const place of all) {
      if (!damaged.has(place.digest)) continue;
      for await (const _ of store.readSegment(record, place, abortable));
    }
    return { repaired: true, repairNote: `mended from ${[...used].join(', ') || 'the store itself'}` };
  } catch (thrown) {
    const error = asModelkeepError(thrown);
    if (!['DIGEST_MISMATCH', 'UNSUPPORTED_FORMAT', 'VERSION_NOT_FOUND'].includes(error.code)) throw error;
    return { repaired: false, repairNote: error.message };
  }
}

async function findManifest(
  store: VersionStore,
  { digest }: VersionRecord,
  sources: readonly SegmentSource[],
  options: Abortable,
): Promise<Manifest | undefined> {
  if (digest === undefined) return undefined;
  for (const source of [storeSource(store), ...sources]) {
    const manifest = await source.manifest?.(digest, options);
    if (manifest !== undefined) return manifest;
  }
  return undefined;
}

interface Mending {
  readonly store: VersionStore;
  readonly record: VersionRecord;
  readonly manifest: Manifest;
  readonly damaged: ReadonlySet<Digest>;
  readonly sources: readonly SegmentSource[];
  /** Names of the sources that were of use. */
  readonly used: Set<string>;
}

/** The files of a version, put together from good segments in the store and copies elsewhere. */
function contentOf(mending: Mending): ContentSource {
  return {
    async *open(path, { start, end }, options = {}) {
      const file = mending.manifest.files.find((one) => one.path === path);
      if (file === undefined) return;
      for (const place of placesOf(file)) {
        const [from, to] = [Math.max(start, place.offset), Math.min(end, place.offset + place.size)];
        if (from >= to) continue;
        yield* slice(copyOf(mending, place, options), from - place.offset, to - place.offset);
      }
    },
  };
}

async function* copyOf(mending: Mending, place: SegmentPlace, options: Abortable): AsyncGenerator<Uint8Array> {
  const { store, record, damaged, sources, used } = mending;
  if (!damaged.has(place.digest)) {
    const own = store.readSegment(record, place, options);
    if (await isWhole(own, place)) return yield* store.readSegment(record, place, options);
  }
  for (const source of sources) {
    const found = await source.open(place, options);
    // Read twice: half a copy must not be written before its digest is known.
    if (found === undefined || !(await isWhole(found, place))) continue;
    const bytes = await source.open(place, options);
    if (bytes === undefined) continue;
    used.add(source.name);
    return yield* bytes;
  }
  const places = sources.map(({ name }) => name).join(', ');
  throw new ModelkeepError(
    'DIGEST_MISMATCH',
    `No whole copy of segment ${place.digest} of file "${place.path}" of ${versionName(record)} was found${places === '' ? '' : ` in ${places}`}: name another store with --from, or publish the version again`,
    { details: { path: place.path, segment: place.digest } },
  );
}

async function isWhole(bytes: AsyncIterable<Uint8Array>, { digest, size }: Segment): Promise<boolean> {
  const digester = createDigester();
  try {
    for await (const part of bytes) digester.update(part);
  } catch (error) {
    if (error instanceof ModelkeepError && error.code === 'DIGEST_MISMATCH') return false;
    throw error;
  }
  return digester.size === size && digester.finish() === digest;
}

/** Bytes `start` to `end` of a stream. */
async function* slice(bytes: AsyncIterable<Uint8Array>, start: number, end: number): AsyncGenerator<Uint8Array> {
  let at = 0;
  for await (const part of bytes) {
    const piece = part.subarray(Math.max(0, start - at), Math.max(0, end - at));
    at += part.byteLength;
    if (piece.byteLength > 0) yield piece;
  }
}
