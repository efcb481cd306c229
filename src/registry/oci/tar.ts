import { createReadStream } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { Header } from 'tar';
import {
  createDigester,
  digestHex,
  digestOf,
  fileError,
  throwIfAborted,
  type Abortable,
  type Digest,
} from '../../core/index.js';
import type { RefuseEntry } from '../archive-bounds.js';
import { temporaryIn, unpackTar, type TarSource } from '../unpack-tar.js';
import { configOf, cuttingLayer, encode, entryOf, imageOf, layerOf, type Exporting } from './documents.js';
import { LAYOUT_VERSION, OCI, type Descriptor } from './media-types.js';

/** What a layout in a tar may hold: nothing else is written to the disk. */
const ENTRY = /^(?:\.\/)?(oci-layout|index\.json|blobs\/sha256\/[0-9a-f]{64})$/;
const FOLDER = /^\.?\/?(?:blobs(?:\/sha256)?\/?)?$/;
/** A tar consists of blocks of so many bytes, and ends with two that are empty. */
const BLOCK_BYTES = 512;

function header(path: string, size: number, type: 'File' | 'Directory' = 'File'): Uint8Array {
  // The same bytes for the same layout: no times, no owner.
  const mode = type === 'File' ? 0o644 : 0o755;
  const block = Buffer.alloc(BLOCK_BYTES);
  new Header({ path, size, type, mode, uid: 0, gid: 0, mtime: new Date(0) }).encode(block, 0);
  return block;
}

/** What fills the last block: nothing where it is full, since an empty chunk would end no wait of a stream. */
function* padding(size: number): Generator<Uint8Array> {
  const missing = (BLOCK_BYTES - (size % BLOCK_BYTES)) % BLOCK_BYTES;
  if (missing > 0) yield Buffer.alloc(missing);
}

const blobPath = (digest: Digest): string => `blobs/sha256/${digestHex(digest)}`;

function* small(path: string, bytes: Uint8Array): Generator<Uint8Array> {
  yield header(path, bytes.byteLength);
  yield bytes;
  yield* padding(bytes.byteLength);
}

/** A layout of one version, as a tar. @returns the digest of its image manifest */
export async function* layoutTar(exporting: Exporting, { signal }: Abortable): AsyncGenerator<Uint8Array, Digest> {
  const layers: Descriptor[] = [];
  const written = new Set<Digest>();
  const blob = function* (bytes: Uint8Array): Generator<Uint8Array, { digest: Digest; size: number }> {
    const digest = digestOf(bytes);
    if (!written.has(digest)) yield* small(blobPath(digest), bytes);
    written.add(digest);
    return { digest, size: bytes.byteLength };
  };
  yield* small('oci-layout', encode({ imageLayoutVersion: LAYOUT_VERSION }));
  for (const folder of ['blobs/', 'blobs/sha256/']) yield header(folder, 0, 'Directory');
  let doneBytes = 0;
  for (const { path, size, open: read } of exporting.files) {
    const digest = await digestOfAll(read(), signal);
    layers.push(layerOf(path, { digest, size }));
    if (!written.has(digest)) {
      yield header(blobPath(digest), size);
      for await (const part of read()) {
        throwIfAborted(signal);
        yield part;
        exporting.onProgress((doneBytes += part.byteLength));
      }
      yield* padding(size);
    }
    written.add(digest);
  }
  layers.push(cuttingLayer(yield* blob(exporting.cutting)));
  const config = yield* blob(configOf(exporting, layers));
  const image = yield* blob(imageOf(exporting, config, layers));
  yield* small(
    'index.json',
    encode({ schemaVersion: 2, mediaType: OCI.index, manifests: [entryOf(exporting, image)] }),
  );
  yield Buffer.alloc(2 * BLOCK_BYTES);
  return image.digest;
}

async function digestOfAll(bytes: AsyncIterable<Uint8Array>, signal: AbortSignal | undefined): Promise<Digest> {
  const digester = createDigester();
  for await (const part of bytes) {
    throwIfAborted(signal);
    digester.update(part);
  }
  return digester.finish();
}

/** Writes a tar beside the file, then puts it in its place in one step. @returns what the tar returns */
export async function writeTar<T>(file: string, tar: AsyncGenerator<Uint8Array, T>): Promise<T> {
  const target = resolve(file);
  const folder = await temporaryIn(dirname(target));
  const packed = join(folder, 'packed.tar');
  try {
    const output = await open(packed, 'w');
    let last: IteratorResult<Uint8Array, T>;
    try {
      while ((last = await tar.next()).done !== true) await output.writeFile(last.value);
      await output.sync();
    } finally {
      await output.close();
    }
    await rename(packed, target);
    return last.value;
  } catch (error) {
    throw fileError(error, `Cannot write ${target}`, 'name a file that you may write, with enough room');
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** A tar file, unpacked beside itself. */
export function tarFile(file: string): TarSource {
  return { name: file, bytes: createReadStream(file), folder: dirname(resolve(file)) };
}

const refuseOthers: RefuseEntry = ({ path, kind }) => {
  const isPart = kind === 'folder' ? FOLDER.test(path) : kind === 'file' && ENTRY.test(path);
  return isPart ? undefined : 'which is no part of an OCI image layout';
};

/** Unpacks a layout, and removes it when `read` is done. @throws ModelkeepError `INVALID_ARTIFACT` */
export function unpackLayout<T>(source: TarSource, read: (directory: string) => Promise<T>): Promise<T> {
  return unpackTar(source, refuseOthers, read);
}
