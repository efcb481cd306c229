import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { mkdir, mkdtemp, open, rename, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { extract, Header } from 'tar';
import {
  asModelkeepError,
  createDigester,
  digestHex,
  digestOf,
  fileError,
  ModelkeepError,
  throwIfAborted,
  type Abortable,
  type Digest,
} from '../../core/index.js';
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

/** Where a tar comes from: a file, or what a client sends. */
export interface TarSource {
  /** For messages. */
  readonly name: string;
  readonly bytes: AsyncIterable<Uint8Array>;
  /** Folder in which it is unpacked meanwhile. */
  readonly folder: string;
}

/** A tar file, unpacked beside itself. */
export function tarFile(file: string): TarSource {
  return { name: file, bytes: createReadStream(file), folder: dirname(resolve(file)) };
}

/** Unpacks a layout, and removes it when `read` is done. @throws ModelkeepError `INVALID_ARTIFACT` */
export async function unpackTar<T>(source: TarSource, read: (directory: string) => Promise<T>): Promise<T> {
  const folder = await temporaryIn(source.folder);
  try {
    await unpackInto(source, folder);
    return await read(folder);
  } finally {
    // What had been begun when it failed may still be arriving.
    await rm(folder, { recursive: true, force: true, maxRetries: 3 });
  }
}

async function temporaryIn(folder: string): Promise<string> {
  try {
    await mkdir(folder, { recursive: true });
    return await mkdtemp(join(folder, '.oci-'));
  } catch (error) {
    throw fileError(error, `Cannot write in ${folder}`, 'name a place that you may write to');
  }
}

async function unpackInto({ name, bytes }: TarSource, folder: string): Promise<void> {
  let failure: unknown;
  const fail = (error: unknown): void => void (failure ??= error);
  const unpack = extract({
    cwd: folder,
    strict: true,
    preserveOwner: false,
    filter: (path, entry) => {
      const isPart = 'type' in entry && (entry.type === 'Directory' ? FOLDER : ENTRY).test(path);
      const isPlain = 'type' in entry && (entry.type === 'Directory' || entry.type === 'File');
      if (isPart && isPlain) return true;
      fail(
        new ModelkeepError(
          'INVALID_ARTIFACT',
          `${name} holds ${JSON.stringify(path.slice(0, 200))}, which is no part of an OCI image layout`,
        ),
      );
      return false;
    },
  });
  unpack.on('error', fail);
  const ended = new Promise<void>((done) => void unpack.once('close', done).once('error', () => done()));
  for await (const part of bytes) {
    if (failure !== undefined) break;
    if (!unpack.write(Buffer.from(part.buffer, part.byteOffset, part.byteLength)))
      await Promise.race([once(unpack, 'drain').catch(fail), ended]);
  }
  if (failure === undefined) {
    unpack.end();
    await ended;
  }
  if (failure !== undefined) throw asModelkeepError(failure, 'INVALID_ARTIFACT');
}
