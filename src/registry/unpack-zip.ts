import { createWriteStream, statSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Entry, ZipFile } from 'yauzl';
import { fileError, ModelkeepError, throwIfAborted, type Abortable } from '../core/index.js';
import {
  boundedEntries,
  makeLinks,
  refusedEntry,
  targetOf,
  unpackedBytesOf,
  type ArchiveEntry,
} from './archive-bounds.js';

/** Largest target of a link that is read, in bytes. */
const MAX_TARGET_BYTES = 4_096;
/** Kinds of entries that Unix tools write into the upper half of the attributes. */
const UNIX_KIND = 0o170000;
const UNIX_LINK = 0o120000;
const UNIX_SPECIAL = new Set([0o010000, 0o020000, 0o060000, 0o140000]);

/**
 * Unpacks a zip file (a wheel or a jar too) into a folder.
 *
 * @throws ModelkeepError `INVALID_ARTIFACT` for one that is damaged, encrypted, holds links or paths that leave it, a path
 * twice, too many files, or far more bytes than it has itself; what the disk says
 */
export async function unpackZip(path: string, folder: string, { signal }: Abortable = {}): Promise<void> {
  const { default: yauzl } = await import('yauzl');
  let zip: ZipFile;
  try {
    zip = await yauzl.openPromise(path, { autoClose: false, strictFileNames: true });
  } catch (error) {
    throw explain(error, path, folder);
  }
  const refuse = boundedEntries(unpackedBytesOf(statSync(path).size));
  try {
    for await (const entry of zip.eachEntry()) {
      throwIfAborted(signal);
      await unpackEntry(zip, entry, { path, folder, refuse });
    }
    makeLinks(folder, refuse.links);
  } catch (error) {
    throw explain(error, path, folder);
  } finally {
    zip.close();
  }
}

interface Unpacking {
  readonly path: string;
  readonly folder: string;
  readonly refuse: (entry: ArchiveEntry) => string | undefined;
}

async function unpackEntry(zip: ZipFile, entry: Entry, { path, folder, refuse }: Unpacking): Promise<void> {
  const { fileName, uncompressedSize: size } = entry;
  if (entry.isEncrypted()) throw refusedEntry(path, fileName, 'which is encrypted: pack it without a password');
  const unix = (entry.externalFileAttributes >>> 16) & UNIX_KIND;
  const kind = fileName.endsWith('/')
    ? 'folder'
    : unix === UNIX_LINK
      ? 'link'
      : UNIX_SPECIAL.has(unix)
        ? 'other'
        : 'file';
  const target = kind === 'link' ? targetOf(fileName, await textOf(zip, entry, path)) : undefined;
  const why = refuse({ path: fileName, kind, size, target });
  if (why !== undefined) throw refusedEntry(path, fileName, why);
  const to = join(folder, fileName);
  if (kind === 'folder') await mkdir(to, { recursive: true, mode: 0o700 });
  if (kind !== 'file') return;
  await mkdir(dirname(to), { recursive: true, mode: 0o700 });
  // The stream ends with an error as soon as there is more than the directory said.
  await pipeline(await zip.openReadStreamPromise(entry), createWriteStream(to, { flags: 'wx', mode: 0o600 }));
}

async function textOf(zip: ZipFile, entry: Entry, path: string): Promise<string> {
  if (entry.uncompressedSize > MAX_TARGET_BYTES) throw refusedEntry(path, entry.fileName, 'which is no link');
  const parts: Buffer[] = [];
  for await (const part of await zip.openReadStreamPromise(entry)) parts.push(part as Buffer);
  return Buffer.concat(parts).toString('utf8');
}

function explain(error: unknown, path: string, folder: string): unknown {
  if (error instanceof ModelkeepError) return error;
  const { message, syscall, code } = error as NodeJS.ErrnoException;
  if (code === 'EEXIST' || code === 'ENOTDIR' || code === 'EISDIR')
    return new ModelkeepError('INVALID_ARTIFACT', `${path} holds a path that is a file and a folder: pack it again`, {
      cause: error,
    });
  if (syscall !== undefined) return fileError(error, `Cannot unpack ${path} in ${folder}`, 'free disk space there');
  return new ModelkeepError('INVALID_ARTIFACT', `${path} is damaged or no zip archive (${message}): pack it again`, {
    cause: error,
  });
}
