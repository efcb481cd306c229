import {
  distinctPlaces,
  ModelkeepError,
  placesOf,
  type Manifest,
  type SegmentPlace,
  type VersionFiles,
  type VersionRecord,
  type VersionStore,
} from '../core/index.js';

/**
 * The files of a version as they lie in a store: reading one fetches the segments that hold the range, each verified, and
 * keeps them as long as this lives. Made for the small files and the headers of weights, which is what checks read.
 */
export function openStoredFiles(store: VersionStore, record: VersionRecord, manifest: Manifest): VersionFiles {
  const files = new Map(manifest.files.map((file) => [file.path, file]));
  const first = new Map(distinctPlaces(manifest).map((place) => [place.digest, place]));
  const kept = new Map<string, Promise<Buffer>>();
  const segment = (place: SegmentPlace): Promise<Buffer> => {
    const known = kept.get(place.digest) ?? fetchSegment(store, record, first.get(place.digest) ?? place);
    kept.set(place.digest, known);
    return known;
  };
  return {
    paths: [...files.keys()],
    size: (path) => files.get(path)?.size,
    contentOf: (path) =>
      files
        .get(path)
        ?.segments.map(({ digest }) => digest)
        .join(' '),
    async read(path, { start = 0, end } = {}) {
      const file = files.get(path);
      if (file === undefined) throw missing(path, 'the version has no such file');
      const stop = end ?? file.size;
      if (!(start >= 0 && start <= stop && stop <= file.size))
        throw missing(path, `the range ${start} to ${stop} leaves its ${file.size} bytes`);
      const parts: Buffer[] = [];
      for (const place of placesOf(file)) {
        if (place.offset + place.size <= start || place.offset >= stop) continue;
        const bytes = await segment(place);
        parts.push(bytes.subarray(Math.max(0, start - place.offset), stop - place.offset));
      }
      return Buffer.concat(parts);
    },
    locate: () => undefined,
  };
}

function missing(path: string, why: string): ModelkeepError {
  return new ModelkeepError('INVALID_ARTIFACT', `File "${path}" cannot be read: ${why}`, { details: { path } });
}

async function fetchSegment(store: VersionStore, record: VersionRecord, place: SegmentPlace): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of store.readSegment(record, place)) chunks.push(chunk);
  return Buffer.concat(chunks);
}
