import { statSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import {
  checkFilePath,
  digestHex,
  ModelkeepError,
  throwIfAborted,
  type FileSpan,
  type Manifest,
  type VersionFiles,
} from '../core/index.js';

/** A run of one file's bytes in a file on this machine. */
interface Piece extends FileSpan {
  /** Where the run begins in the version's file. */
  readonly at: number;
  readonly size: number;
}

interface PlacedFile {
  readonly size: number;
  /** A name that only files with the same bytes have. */
  readonly content?: string;
  readonly pieces: readonly Piece[];
}

/**
 * The files of a directory as they lie on the disk.
 *
 * @param directory the folder that holds them
 * @param paths relative paths of the files to show, with `/` between parts
 * @throws ModelkeepError `INVALID_ARTIFACT` if one is missing or is no plain file
 */
export function openDirectoryFiles(directory: string, paths: readonly string[]): VersionFiles {
  const files = paths.map((path): [string, PlacedFile] => {
    const file = resolve(join(directory, checkFilePath(path)));
    const stat = statSync(file, { throwIfNoEntry: false });
    if (stat?.isFile() !== true) throw missing(path, `it is no file in ${directory}`);
    return [path, { size: stat.size, pieces: [{ file, offset: 0, at: 0, size: stat.size }] }];
  });
  return placedFiles(files);
}

/**
 * Files that lie anywhere on this machine.
 *
 * @param entries path in the version, and path and bytes on this machine
 */
export function openLocalFiles(
  entries: readonly { readonly path: string; readonly absolutePath: string; readonly size: number }[],
): VersionFiles {
  return placedFiles(
    entries.map(({ path, absolutePath, size }) => [
      path,
      { size, pieces: [{ file: absolutePath, offset: 0, at: 0, size }] },
    ]),
  );
}

/**
 * The files of a version whose segments lie in one flat folder, each named by the 64 hexadecimal digits of its digest.
 * The folder is not looked at before something is read.
 */
export function openSegmentFiles(manifest: Manifest, segmentsFolder: string): VersionFiles {
  const folder = resolve(segmentsFolder);
  const files = manifest.files.map(({ path, size, segments }): [string, PlacedFile] => {
    let at = 0;
    const pieces = segments.map((segment) => {
      const { digest } = segment;
      const piece = { file: join(folder, digestHex(digest)), offset: 0, digest, at, size: segment.size };
      at += segment.size;
      return piece;
    });
    return [path, { size, pieces, content: segments.map(({ digest }) => digest).join(' ') }];
  });
  return placedFiles(files);
}

function missing(path: string, why: string): ModelkeepError {
  return new ModelkeepError('INVALID_ARTIFACT', `File "${path}" cannot be read: ${why}`, { details: { path } });
}

function placedFiles(entries: readonly [string, PlacedFile][]): VersionFiles {
  const files = new Map(entries.toSorted(([a], [b]) => (a < b ? -1 : 1)));
  const fileOf = (path: string): PlacedFile => {
    const file = files.get(path);
    if (file === undefined) throw missing(path, 'the version has no such file');
    return file;
  };
  return {
    paths: [...files.keys()],
    size: (path) => files.get(path)?.size,
    contentOf: (path) => files.get(path)?.content,
    async read(path, range = {}, { signal } = {}) {
      const { size, pieces } = fileOf(path);
      const { start = 0, end = size } = range;
      if (!(start >= 0 && start <= end && end <= size)) {
        throw missing(path, `the range ${start} to ${end} leaves its ${size} bytes`);
      }
      const bytes = Buffer.allocUnsafe(end - start);
      for (const piece of piecesOf(pieces, start, end)) {
        throwIfAborted(signal);
        const from = Math.max(start, piece.at);
        const target = bytes.subarray(from - start, Math.min(end, piece.at + piece.size) - start);
        await readFully(path, piece.file, piece.offset + from - piece.at, target);
      }
      return bytes;
    },
    locate(path, start, end) {
      const [piece, more] = piecesOf(fileOf(path).pieces, start, end);
      if (piece === undefined || more !== undefined || end > piece.at + piece.size) return undefined;
      const { file, digest } = piece;
      return { file, offset: piece.offset + start - piece.at, ...(digest === undefined ? {} : { digest }) };
    },
  };
}

/** The pieces that hold bytes of a range, in order; pieces are sorted, so the first is found by halving. */
function piecesOf(pieces: readonly Piece[], start: number, end: number): readonly Piece[] {
  let low = 0;
  let high = pieces.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const piece = pieces[middle];
    if (piece !== undefined && piece.at + piece.size <= start) low = middle + 1;
    else high = middle;
  }
  const found: Piece[] = [];
  for (const piece of pieces.slice(low)) {
    if (piece.at >= end) break;
    found.push(piece);
  }
  return found;
}

async function readFully(path: string, file: string, position: number, target: Buffer): Promise<void> {
  let handle;
  try {
    handle = await open(file, 'r');
    for (let done = 0; done < target.length;) {
      const { bytesRead } = await handle.read(target, done, target.length - done, position + done);
      if (bytesRead === 0) throw missing(path, `${file} ends after ${position + done} bytes`);
      done += bytesRead;
    }
  } catch (error) {
    if (error instanceof ModelkeepError) throw error;
    throw new ModelkeepError('INVALID_ARTIFACT', `File "${path}" cannot be read from ${file}`, { cause: error });
  } finally {
    await handle?.close();
  }
}
