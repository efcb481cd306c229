import {
  ModelkeepError,
  placesOf,
  versionName,
  type Manifest,
  type SegmentPlace,
  type VersionFiles,
  type VersionRecord,
  type VersionStore,
} from '../core/index.js';

/** A run of a stored segment. */
export interface StoredPiece {
  readonly place: SegmentPlace;
  /** First and last byte behind it, in the segment. */
  readonly from: number;
  readonly to: number;
}

/** The pieces of segments that bytes `start` to `end` of a file lie in. */
export function piecesOf(manifest: Manifest, path: string, start: number, end: number): readonly StoredPiece[] {
  const file = manifest.files.find((one) => one.path === path);
  if (file === undefined) return [];
  const pieces: StoredPiece[] = [];
  for (const place of placesOf(file)) {
    const [from, to] = [Math.max(start, place.offset), Math.min(end, place.offset + place.size)];
    if (from < to) pieces.push({ place, from: from - place.offset, to: to - place.offset });
  }
  return pieces;
}

/**
 * The files of a version as they lie in a store, for who reads more than fits memory: ranges are read when they are asked
 * for and not kept. Only whole segments can be verified, so what is read here is compared, never loaded.
 */
export function openStoredRanges(store: VersionStore, record: VersionRecord, manifest: Manifest): VersionFiles {
  const sizes = new Map(manifest.files.map(({ path, size }) => [path, size]));
  return {
    paths: [...sizes.keys()],
    size: (path) => sizes.get(path),
    contentOf: (path) => {
      const segments = manifest.files.find((file) => file.path === path)?.segments;
      return segments?.map(({ digest }) => digest).join(' ');
    },
    locate: () => undefined,
    async read(path, range = {}, options = {}) {
      const size = sizes.get(path);
      const { start = 0, end = size ?? 0 } = range;
      if (size === undefined || !(start >= 0 && start <= end && end <= size)) {
        throw new ModelkeepError(
          'INVALID_ARTIFACT',
          `${versionName(record)} has no bytes ${start} to ${end} of "${path}"`,
          { details: { path } },
        );
      }
      const bytes = Buffer.allocUnsafe(end - start);
      let at = 0;
      for (const { place, from, to } of piecesOf(manifest, path, start, end)) {
        let left = to - from;
        for await (const part of store.readSegment(record, place, { ...options, start: from })) {
          const piece = part.subarray(0, left);
          bytes.set(piece, at);
          at += piece.byteLength;
          left -= piece.byteLength;
          if (left === 0) break;
        }
      }
      return bytes;
    },
  };
}
