import type { ContentSource, Manifest, VersionRecord, VersionStore } from '../core/index.js';
import { piecesOf } from './stored-ranges.js';

/** The contents of a stored version as a source to publish from; whole segments are checked as they are read. */
export function storedContent(store: VersionStore, record: VersionRecord, manifest: Manifest): ContentSource {
  return {
    async *open(path, { start, end }, options = {}) {
      for (const { place, from, to } of piecesOf(manifest, path, start, end)) {
        let left = to - from;
        for await (const part of store.readSegment(record, place, { ...options, start: from })) {
          const piece = part.subarray(0, left);
          left -= piece.byteLength;
          yield piece;
          // A whole segment is read to its end: only there does the store say that its bytes are right.
          if (left === 0 && to < place.size) break;
        }
      }
    },
  };
}
