import { digestOf, isDigest, type Digest } from './digest.js';
import { ModelkeepError } from './errors.js';
import { checkFilePath } from './file-path.js';
import { isPrecision, PRECISIONS, type Precision } from './precision.js';

/** How the files of a version are to be understood. */
export type Format = 'hf' | 'onnx' | 'joblib';

/** All formats, in the order in which they are documented. */
export const FORMATS: readonly Format[] = Object.freeze(['hf', 'onnx', 'joblib']);

/** A run of bytes of one file, addressed by its sha256. */
export interface Segment {
  readonly digest: Digest;
  /** Bytes; at least 1. */
  readonly size: number;
}

/** One file of a version: an ordered list of segments. */
export interface ManifestFile {
  /** Relative, with `/` between parts; never leaves its folder (see `checkFilePath`). */
  readonly path: string;
  /** Bytes: the sum of the segments' sizes. */
  readonly size: number;
  /** Empty for an empty file. */
  readonly segments: readonly Segment[];
}

/**
 * What a version consists of. Its canonical JSON ({@link encodeManifest}) is stored, and the sha256 of that JSON is
 * the version's digest, so equal contents have equal digests whoever publishes them.
 */
export interface Manifest {
  /** Number of this layout; readers refuse any other. */
  readonly schema: 1;
  readonly format: Format;
  /** The task, such as `text-classification`, where it was found or given at publish. */
  readonly task?: string;
  /** The precision to serve it in, where its publisher chose one; the files are the same in all. Absent: `fp32`. */
  readonly precision?: Exclude<Precision, 'fp32'>;
  /** Sorted by path (UTF-16 code units). */
  readonly files: readonly ManifestFile[];
}

/** Largest encoded manifest that is read: 16 MiB, MongoDB's limit of a document, holds over 100,000 segments. */
export const MAX_MANIFEST_BYTES = 16 * 1024 * 1024;
/** Most files of one version. */
export const MAX_FILES = 10_000;

/** JSON with sorted keys and no white space: the one byte form of a value. Numbers must be integers. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) => {
    if (typeof inner === 'number' && !Number.isSafeInteger(inner)) {
      throw new ModelkeepError('INTERNAL', `Canonical JSON takes safe integers only, not ${inner}`);
    }
    if (typeof inner !== 'object' || inner === null || Array.isArray(inner)) return inner;
    const record = inner as Record<string, unknown>;
    return Object.fromEntries(
      Object.keys(record)
        .toSorted()
        .map((key) => [key, record[key]]),
    );
  });
}

/** The canonical bytes of a manifest. */
export function encodeManifest(manifest: Manifest): Uint8Array {
  return Buffer.from(canonicalJson(manifest), 'utf8');
}

/** The digest of a version: the sha256 of its canonical manifest. */
export function manifestDigest(manifest: Manifest): Digest {
  return digestOf(encodeManifest(manifest));
}

/** Bytes of all files of a version. */
export function contentSize(manifest: Manifest): number {
  return manifest.files.reduce((sum, file) => sum + file.size, 0);
}

/** Every distinct segment of a version once, in order of first use. */
export function distinctSegments(manifest: Manifest): readonly Segment[] {
  const seen = new Map<Digest, Segment>();
  for (const file of manifest.files) {
    for (const segment of file.segments) if (!seen.has(segment.digest)) seen.set(segment.digest, segment);
  }
  return [...seen.values()];
}

function invalid(message: string, details?: Record<string, unknown>): ModelkeepError {
  return new ModelkeepError('INVALID_ARTIFACT', `Manifest: ${message}`, details === undefined ? {} : { details });
}

function checkSegment(value: unknown, path: string): Segment {
  const { digest, size } = (value ?? {}) as { digest?: unknown; size?: unknown };
  if (!isDigest(digest))
    throw invalid(`file "${path}" has a segment with the malformed digest ${JSON.stringify(digest)}`);
  if (!Number.isSafeInteger(size) || (size as number) < 1) {
    throw invalid(`segment ${digest} of file "${path}" has the size ${JSON.stringify(size)}, not a positive integer`);
  }
  return { digest, size: size as number };
}

function checkFile(value: unknown): ManifestFile {
  const { path, size, segments } = (value ?? {}) as { path?: unknown; size?: unknown; segments?: unknown };
  if (typeof path !== 'string') throw invalid(`a file has the path ${JSON.stringify(path)}, not a string`);
  checkFilePath(path);
  if (!Array.isArray(segments)) throw invalid(`file "${path}" has no list of segments`);
  const checked = segments.map((segment) => checkSegment(segment, path));
  const sum = checked.reduce((total, segment) => total + segment.size, 0);
  if (size !== sum) throw invalid(`file "${path}" claims ${JSON.stringify(size)} bytes, its segments have ${sum}`);
  return { path, size: sum, segments: checked };
}

function checkFiles(value: unknown): readonly ManifestFile[] {
  if (!Array.isArray(value) || value.length === 0) throw invalid('it lists no files');
  if (value.length > MAX_FILES) throw invalid(`it lists ${value.length} files, at most ${MAX_FILES} are allowed`);
  const files = value.map(checkFile);
  const paths = new Set<string>();
  for (const { path } of files) {
    if (paths.has(path)) throw invalid(`it lists the file "${path}" twice`);
    paths.add(path);
  }
  for (const { path } of files) {
    for (let slash = path.indexOf('/'); slash >= 0; slash = path.indexOf('/', slash + 1)) {
      const folder = path.slice(0, slash);
      if (paths.has(folder)) throw invalid(`"${folder}" is both a file and the folder of "${path}"`);
    }
  }
  return files.toSorted((a, b) => (a.path < b.path ? -1 : 1));
}

/** `fp32` is what an absent field means, and the one way to write it. */
function checkPrecisionField(value: unknown): Manifest['precision'] {
  if (value === undefined || (isPrecision(value) && value !== 'fp32')) return value;
  const others = PRECISIONS.filter((precision) => precision !== 'fp32').join(', ');
  throw invalid(`its precision ${JSON.stringify(value)} is none of ${others}`);
}

/**
 * Checks a value that claims to be a manifest and returns it with its files sorted and unknown fields dropped.
 *
 * @throws ModelkeepError `INVALID_ARTIFACT` naming the field; `UNSUPPORTED_FORMAT` for another schema or format
 */
export function checkManifest(value: unknown): Manifest {
  if (typeof value !== 'object' || value === null) throw invalid('it is not an object');
  const { schema, format, task, precision, files } = value as Record<string, unknown>;
  if (schema !== 1) {
    throw new ModelkeepError(
      'UNSUPPORTED_FORMAT',
      `Manifest schema ${JSON.stringify(schema)} is not 1: use a newer modelkeep`,
    );
  }
  if (!FORMATS.includes(format as Format)) {
    throw new ModelkeepError('UNSUPPORTED_FORMAT', `Format ${JSON.stringify(format)} is none of ${FORMATS.join(', ')}`);
  }
  if (task !== undefined && (typeof task !== 'string' || task.length > 100)) {
    throw invalid('its task is not a string of at most 100 characters');
  }
  const base = { schema: 1, format: format as Format, files: checkFiles(files) } as const;
  const chosen = checkPrecisionField(precision);
  return { ...base, ...(task === undefined ? {} : { task }), ...(chosen === undefined ? {} : { precision: chosen }) };
}

/**
 * Reads the stored form of a manifest.
 *
 * @throws ModelkeepError as {@link checkManifest}, and `DIGEST_MISMATCH` if the bytes are not canonical: a manifest
 * whose digest cannot be recomputed proves nothing
 */
export function decodeManifest(bytes: Uint8Array): Manifest {
  if (bytes.byteLength > MAX_MANIFEST_BYTES)
    throw invalid(`it has ${bytes.byteLength} bytes, at most ${MAX_MANIFEST_BYTES} are read`);
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch (error) {
    throw new ModelkeepError('INVALID_ARTIFACT', 'Manifest: it is not JSON', { cause: error });
  }
  const manifest = checkManifest(value);
  if (manifestDigest(manifest) !== digestOf(bytes)) {
    throw new ModelkeepError('DIGEST_MISMATCH', 'Manifest: its bytes are not in canonical form');
  }
  return manifest;
}
