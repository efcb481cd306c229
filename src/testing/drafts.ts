import { randomBytes } from 'node:crypto';
import {
  checkManifest,
  digestOf,
  placesOf,
  type ContentSource,
  type Digest,
  type Format,
  type Manifest,
  type Segment,
  type VersionRecord,
  type VersionStore,
} from '../core/index.js';

/** Made-up contents of a version, with the manifest that describes them. */
export interface MadeContents {
  readonly files: Readonly<Record<string, Buffer>>;
  readonly manifest: Manifest;
  readonly source: ContentSource;
}

function cut(bytes: Buffer, segmentBytes: number): Segment[] {
  const segments: Segment[] = [];
  for (let at = 0; at < bytes.length; at += segmentBytes) {
    const part = bytes.subarray(at, at + segmentBytes);
    segments.push({ digest: digestOf(part), size: part.length });
  }
  return segments;
}

/** A source that serves files in memory, 64 KiB at a time. */
export function sourceOf(files: Readonly<Record<string, Buffer>>): ContentSource {
  return {
    async *open(path, { start, end }) {
      const bytes = files[path] ?? Buffer.alloc(0);
      for (let at = start; at < end; at += 65_536) yield bytes.subarray(at, Math.min(end, at + 65_536));
    },
  };
}

/** Contents of a version made of files in memory, each cut into segments of `segmentBytes` bytes. */
export function contentsOf(
  files: Readonly<Record<string, Buffer>>,
  options: { readonly segmentBytes?: number; readonly format?: Format; readonly task?: string } = {},
): MadeContents {
  const { segmentBytes = 100_000, format = 'hf', task } = options;
  const manifest = checkManifest({
    schema: 1,
    format,
    ...(task === undefined ? {} : { task }),
    files: Object.entries(files).map(([path, bytes]) => ({
      path,
      size: bytes.length,
      segments: cut(bytes, segmentBytes),
    })),
  });
  return { files, manifest, source: sourceOf(files) };
}

/** Small contents that no other call makes. */
export function freshContents(): MadeContents {
  return contentsOf({ 'config.json': randomBytes(64), 'weights/model.bin': randomBytes(1_000) });
}

/** A model name that no other call makes, so that stores may hold other data. */
export function freshModel(): string {
  return `contract/${randomBytes(8).toString('hex')}`;
}

/** The digest of each file, to compare contents quickly. */
export function digestsOf(files: Readonly<Record<string, Uint8Array>>): Record<string, Digest> {
  return Object.fromEntries(Object.entries(files).map(([path, bytes]) => [path, digestOf(bytes)]));
}

/** Reads all files of a version back, segment by segment, and gives the digest of each. */
export async function readBack(store: VersionStore, record: VersionRecord): Promise<Record<string, Digest>> {
  const manifest = await store.readManifest(record);
  const files: Record<string, Buffer> = {};
  for (const file of manifest.files) {
    const parts: Uint8Array[] = [];
    for (const place of placesOf(file)) {
      for await (const part of store.readSegment(record, place)) parts.push(part);
    }
    files[file.path] = Buffer.concat(parts);
  }
  return digestsOf(files);
}
