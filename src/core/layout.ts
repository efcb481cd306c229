import type { Manifest, ManifestFile } from './manifest.js';
import type { SegmentPlace } from './store.js';

/** Largest ONNX file that is stored as one plain GridFS file in the article's layout: 64 MiB. */
export const SINGLE_FILE_ONNX_MAX_BYTES = 64 * 1024 * 1024;

/**
 * True for a version that stores with a plain-file layout keep as that one file, readable by a script that knows
 * nothing of modelkeep: a joblib model, or an ONNX file of at most {@link SINGLE_FILE_ONNX_MAX_BYTES}.
 */
export function isSingleFile(manifest: Manifest): boolean {
  const [file] = manifest.files;
  if (manifest.files.length !== 1 || file === undefined || file.size === 0) return false;
  return manifest.format === 'joblib' || (manifest.format === 'onnx' && file.size <= SINGLE_FILE_ONNX_MAX_BYTES);
}

/** The segments of a file with their places, in order. */
export function* placesOf(file: ManifestFile): Generator<SegmentPlace> {
  let offset = 0;
  for (const segment of file.segments) {
    yield { ...segment, path: file.path, offset };
    offset += segment.size;
  }
}

/** Each distinct segment of a version at the first place where it occurs. */
export function distinctPlaces(manifest: Manifest): readonly SegmentPlace[] {
  const seen = new Map<string, SegmentPlace>();
  for (const file of manifest.files) {
    for (const place of placesOf(file)) if (!seen.has(place.digest)) seen.set(place.digest, place);
  }
  return [...seen.values()];
}
