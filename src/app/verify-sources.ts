import { cachedSegment } from '../cache/index.js';
import type { SegmentSource } from '../registry/index.js';

/** A node's cache as a place to look for whole segments when a store is mended. */
export function cacheSource(directory: string): SegmentSource {
  return { name: `the cache ${directory}`, open: (segment) => cachedSegment(directory, segment) };
}
