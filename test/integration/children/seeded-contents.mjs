import { createHash } from 'node:crypto';
import { contentsOf } from '../../../dist/testing/drafts.js';

/** Bytes of each segment of {@link seededContents}. */
export const SEGMENT_BYTES = 16_384;

/** Contents of 8 segments in two files that are the same in every process for the same seed. */
export function seededContents(seed) {
  const bytes = (name) =>
    createHash('shake256', { outputLength: 4 * SEGMENT_BYTES })
      .update(`${seed} ${name}`)
      .digest();
  return contentsOf({ 'a.bin': bytes('a'), 'sub/b.bin': bytes('b') }, { segmentBytes: SEGMENT_BYTES });
}
