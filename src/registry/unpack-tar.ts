import { once } from 'node:events';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { extract, type ReadEntry } from 'tar';
import { fileError, ModelkeepError, throwIfAborted, type Abortable } from '../core/index.js';

/** Where a tar comes from: a file, or what a client sends. */
export interface TarSource extends Abortable {
  /** For messages. */
  readonly name: string;
  readonly bytes: AsyncIterable<Uint8Array>;
  /** Folder in which it is unpacked meanwhile. */
  readonly folder: string;
}

/** An entry of a tar before it is written. */
export interface TarEntry {
  /** As the tar has it. */
  readonly path: string;
  /** Anything but a file or a folder, such as a link, is `other`. */
  readonly kind: 'file' | 'folder' | 'other';
  readonly size: number;
}

/** Says why an entry may not be written; undefined: it may. May throw a ModelkeepError instead. */
export type RefuseEntry = (entry: TarEntry) => string | undefined;

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
    await unpackInto(source, folder, refuse);
    return await read(folder);
  } finally {
    // What had been begun when it failed may still be arriving.
    await rm(folder, { recursive: true, force: true, maxRetries: 3 });
  }
}

function kindOf({ type }: ReadEntry): TarEntry['kind'] {
  if (type === 'Directory' || type === 'GNUDumpDir') return 'folder';
  return type === 'File' || type === 'OldFile' || type === 'ContiguousFile' ? 'file' : 'other';
}

async function unpackInto({ name, bytes, signal }: TarSource, folder: string, refuse: RefuseEntry): Promise<void> {
  let failure: unknown;
  const fail = (error: unknown): void => void (failure ??= error);
  const why = (entry: ReadEntry): string | undefined => {
    const kind = kindOf(entry);
    entry.mode = kind === 'folder' ? FOLDER_MODE : FILE_MODE;
    return refuse({ path: entry.path, kind, size: entry.size });
  };
  const unpack = extract({
    cwd: folder,
    strict: true,
    preserveOwner: false,
    filter: (path, entry) => {
      if (failure !== undefined || !('type' in entry)) return false;
      try {
        const refused = why(entry);
        if (refused === undefined) return true;
        fail(new ModelkeepError('INVALID_ARTIFACT', `${name} holds ${JSON.stringify(path.slice(0, 200))}, ${refused}`));
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
