import { once } from 'node:events';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { extract, type ReadEntry } from 'tar';
import { fileError, ModelkeepError, throwIfAborted, type Abortable } from '../core/index.js';
import {
  makeLinks,
  refusedEntry,
  targetOf,
  type ArchiveEntry,
  type ArchiveLink,
  type RefuseEntry,
} from './archive-bounds.js';

/** The bytes of a tar: a file, or what a client sends. */
export interface TarBytes extends Abortable {
  /** For messages. */
  readonly name: string;
  readonly bytes: AsyncIterable<Uint8Array>;
}

/** Where a tar comes from, and where it is unpacked. */
export interface TarSource extends TarBytes {
  /** Folder in which it is unpacked meanwhile. */
  readonly folder: string;
}

/** What is written: what its owner may read, whatever the tar says. */
const FILE_MODE = 0o600;
const FOLDER_MODE = 0o700;

/** A folder of its own below another, which is made if it is not there. @throws ModelkeepError `STORE_PERMISSION` or `STORE_UNAVAILABLE` */
export async function temporaryIn(folder: string): Promise<string> {
  try {
    await mkdir(folder, { recursive: true });
    return await mkdtemp(join(folder, '.tar-'));
  } catch (error) {
    throw fileError(error, `Cannot write in ${folder}`, 'name a place that you may write to');
  }
}

/**
 * Unpacks a tar, and removes what was unpacked when `read` is done.
 *
 * @param refuse asked of each entry before it is written; nothing is read any further when it refuses one
 * @throws ModelkeepError `INVALID_ARTIFACT` for what is no whole tar or holds what is refused; `CANCELLED` and the like
 * when the signal fires; what `read` says
 */
export async function unpackTar<T>(
  source: TarSource,
  refuse: RefuseEntry,
  read: (directory: string) => Promise<T>,
): Promise<T> {
  const folder = await temporaryIn(source.folder);
  try {
    await unpackTarInto(source, folder, refuse);
    return await read(folder);
  } finally {
    // What had been begun when it failed may still be arriving.
    await rm(folder, { recursive: true, force: true, maxRetries: 3 });
  }
}

function entryOf({ type, path, size, linkpath }: ReadEntry): ArchiveEntry {
  if (type === 'Directory' || type === 'GNUDumpDir') return { path, size, kind: 'folder' };
  if (type === 'File' || type === 'OldFile' || type === 'ContiguousFile') return { path, size, kind: 'file' };
  if (linkpath === undefined || (type !== 'SymbolicLink' && type !== 'Link')) return { path, size, kind: 'other' };
  // A hard link names its file by its path in the tar, a symbolic one by the way there.
  return { path, size: 0, kind: 'link', target: type === 'Link' ? linkpath : targetOf(path, linkpath) };
}

/**
 * Unpacks a tar, plain or compressed with gzip, into a folder.
 *
 * @param refuse asked of each entry before it is written; nothing is read any further when it refuses one. Links that it
 * allows and collects are made last, of the files that they point at
 * @throws ModelkeepError as {@link unpackTar}
 */
export async function unpackTarInto(
  { name, bytes, signal }: TarBytes,
  folder: string,
  refuse: RefuseEntry & { readonly links?: readonly ArchiveLink[] },
): Promise<void> {
  let failure: unknown;
  const fail = (error: unknown): void => void (failure ??= error);
  const allowed = (entry: ReadEntry): boolean => {
    const about = entryOf(entry);
    entry.mode = about.kind === 'folder' ? FOLDER_MODE : FILE_MODE;
    const why = refuse(about);
    if (why !== undefined) throw refusedEntry(name, entry.path, why);
    return about.kind !== 'link';
  };
  const unpack = extract({
    cwd: folder,
    strict: true,
    preserveOwner: false,
    filter: (_path, entry) => {
      if (failure !== undefined || !('type' in entry)) return false;
      try {
        return allowed(entry);
      } catch (error) {
        fail(error);
      }
      return false;
    },
  });
  unpack.on('error', fail);
  const ended = new Promise<void>((done) => void unpack.once('close', done).once('error', () => done()));
  for await (const part of bytes) {
    throwIfAborted(signal);
    if (failure !== undefined) break;
    if (!unpack.write(Buffer.from(part.buffer, part.byteOffset, part.byteLength)))
      await Promise.race([once(unpack, 'drain').catch(fail), ended]);
  }
  if (failure === undefined) {
    unpack.end();
    await ended;
  }
  if (failure !== undefined) throw explain(failure, name, folder);
  makeLinks(folder, refuse.links ?? []);
}

/** Errors of the disk are no fault of the tar. */
const OF_THE_DISK = new Set(['ENOSPC', 'EDQUOT', 'EACCES', 'EPERM', 'EROFS', 'EIO', 'EMFILE', 'ENFILE']);

function explain(failure: unknown, name: string, folder: string): unknown {
  if (failure instanceof ModelkeepError) return failure;
  const { code = '', message } = failure as NodeJS.ErrnoException;
  if (OF_THE_DISK.has(code)) return fileError(failure, `Cannot unpack ${name} in ${folder}`, 'free disk space there');
  return new ModelkeepError('INVALID_ARTIFACT', `${name} is damaged or no tar (${message}): pack it again`, {
    cause: failure,
  });
}
