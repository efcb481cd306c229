import { rmSync } from 'node:fs';
import { mkdir, open, readdir, rename, rm, stat, utimes, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import {
  digestHex,
  hashRange,
  inLanes,
  isDigest,
  SEAL_MS,
  throwIfAborted,
  type Digest,
  type Segment,
} from '../../core/index.js';
import type { SegmentStorage } from '../ledger/segment-storage.js';
import { isMissing, syncDirectory } from './durable.js';
import { partialFile } from './partial.js';

/** Bytes of one read: large enough that the calls do not count, small enough that hashing does not hold up others. */
const READ_BYTES = 1024 * 1024;

/** Folders that are made durable at the same time: the disk takes them together. */
const SYNC_LANES = 8;

/** Buffers that no read needs now: fresh ones have the engine collect garbage for every few that are read. */
const spare: Buffer[] = [];

async function* bytesOf(handle: FileHandle, start: number, passing: boolean): AsyncGenerator<Uint8Array> {
  let buffer = passing ? spare.pop() : undefined;
  for (let at = start; ;) {
    buffer ??= Buffer.allocUnsafe(READ_BYTES);
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, at);
    if (bytesRead === 0) break;
    at += bytesRead;
    yield buffer.subarray(0, bytesRead);
    if (!passing) buffer = undefined;
  }
  // Not that of a read that was given up: who gave it up may still look at the last part.
  if (passing) spare.push(buffer);
}

/** True for the time of a file that the store, or a cache that shares it, has hashed. */
function isSealed(mtimeMs: number): boolean {
  return mtimeMs === SEAL_MS.stored || mtimeMs === SEAL_MS.cached;
}

/** True if the file is as it was hashed; one that has no seal, such as an older one, is hashed and sealed. */
async function isWhole(handle: FileHandle, { digest, size }: Segment, signal: AbortSignal): Promise<boolean> {
  const found = await handle.stat();
  if (found.size !== size) return false;
  if (isSealed(found.mtimeMs)) return true;
  if ((await hashRange(handle, 0, size, { signal })) !== digest) return false;
  // Where its owner is somebody else it cannot be sealed, and is hashed again the next time.
  await handle.utimes(new Date(), new Date(SEAL_MS.stored)).catch(() => undefined);
  return true;
}

async function writePartial(partial: string, bytes: AsyncIterable<Uint8Array>): Promise<void> {
  const handle = await open(partial, 'wx', 0o444);
  try {
    for await (const part of bytes) await handle.writeFile(part);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** Files that are open for reading. */
interface OpenFiles {
  /** Opens a file; undefined if it is missing. */
  readonly open: (path: string) => Promise<FileHandle | undefined>;
  readonly release: (handle: FileHandle) => Promise<void>;
  /** Closes those that nobody released. */
  readonly close: () => Promise<void>;
}

function openFiles(): OpenFiles {
  const handles = new Set<FileHandle>();
  const release = async (handle: FileHandle): Promise<void> => {
    await handle.close();
    handles.delete(handle);
  };
  return {
    open: async (path) => {
      try {
        const handle = await open(path, 'r');
        handles.add(handle);
        return handle;
      } catch (error) {
        if (isMissing(error)) return undefined;
        throw error;
      }
    },
    release,
    close: async () => {
      await Promise.all([...handles].map(release));
    },
  };
}

async function* listFiles(root: string, signal: AbortSignal): AsyncGenerator<Segment> {
  for (const folder of await readdir(root)) {
    throwIfAborted(signal);
    for (const name of await readdir(join(root, folder)).catch(ifNoFolder)) {
      const digest = `sha256:${name}`;
      const size = isDigest(digest) ? await sizeOf(join(root, folder, name)) : undefined;
      if (isDigest(digest) && size !== undefined) yield { digest, size };
    }
  }
}

/** What is no folder holds no segments; it is not ours. */
function ifNoFolder(error: unknown): string[] {
  if ((error as NodeJS.ErrnoException).code === 'ENOTDIR' || isMissing(error)) return [];
  throw error;
}

/** Segments as read-only files below `segments/`, written in `partial/` and renamed into place. */
export function directorySegments(directory: string): SegmentStorage {
  const root = join(directory, 'segments');
  const folderOf = ({ digest }: { readonly digest: Digest }): string => join(root, digestHex(digest).slice(0, 2));
  const pathOf = (segment: { readonly digest: Digest }): string => join(folderOf(segment), digestHex(segment.digest));
  const files = openFiles();
  return {
    has: async (segment, signal) => {
      const handle = await files.open(pathOf(segment));
      if (handle === undefined) return false;
      try {
        return await isWhole(handle, segment, signal);
      } finally {
        await files.release(handle);
      }
    },
    write: async (segment, bytes) => {
      const partial = await partialFile(directory, digestHex(segment.digest));
      try {
        await writePartial(partial, bytes);
        await mkdir(folderOf(segment), { recursive: true, mode: 0o700 });
        await rename(partial, pathOf(segment));
        // Only now: a file in partial/ is left alone by others for as long as its time is near.
        await utimes(pathOf(segment), new Date(), new Date(SEAL_MS.stored));
      } catch (error) {
        await rm(partial, { force: true });
        throw error;
      }
    },
    settle: async (segments) => {
      await inLanes(SYNC_LANES, [...new Set(segments.map(folderOf))], syncDirectory);
      await syncDirectory(root);
    },
    read: async (segment, start, passing) => {
      const handle = await files.open(pathOf(segment));
      if (handle === undefined) return undefined;
      return (async function* released() {
        try {
          yield* bytesOf(handle, start, passing);
        } finally {
          await files.release(handle);
        }
      })();
    },
    distrust: async (segment) => {
      const handle = await files.open(pathOf(segment));
      if (handle === undefined) return;
      try {
        // A store that may only be read cannot be published to either.
        await handle.utimes(new Date(), new Date()).catch(() => undefined);
      } finally {
        await files.release(handle);
      }
    },
    file: async (segment) => ((await sizeOf(pathOf(segment))) === segment.size ? pathOf(segment) : undefined),
    list: (signal) => listFiles(root, signal),
    removeSync: (digest) => rmSync(pathOf({ digest }), { force: true }),
    close: files.close,
  };
}
