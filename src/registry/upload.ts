import { createHash, randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import {
  checkFilePath,
  digestHex,
  fileError,
  isDigest,
  MAX_FILES,
  ModelkeepError,
  throwIfAborted,
  type Abortable,
  type Digest,
  type Segment,
  type VersionStore,
} from '../core/index.js';
import { push, type Pushed, type PushOptions } from './push.js';
import { pushTar } from './push-tar.js';

/** How long a part that nobody used is kept, in ms: a day. */
const PART_AGE_MS = 24 * 60 * 60 * 1_000;
/** Largest part: 1 GiB. */
export const MAX_PART_BYTES = 2 ** 30;

/** A file of a version to be, made of parts. */
export interface UploadedFile {
  readonly path: string;
  readonly parts: readonly Segment[];
}

/**
 * Parts of uploads on this machine, by digest. A client sends what is missing, in parts of its choice, and then says
 * which files they make; what was sent stays for a day, so an upload that was cut off goes on where it was.
 */
export class UploadFolder {
  readonly #folder: string;

  /** @param folder made when it is needed */
  constructor(folder: string) {
    this.#folder = folder;
  }

  /** The parts that are neither here nor segments in the store. @throws ModelkeepError `INVALID_INPUT` */
  async missing(store: VersionStore, parts: readonly Segment[], options: Abortable = {}): Promise<readonly Digest[]> {
    await this.#expire();
    const missing = new Set<Digest>();
    for (const part of parts) {
      throwIfAborted(options.signal);
      checkPart(part);
      if (!(await this.#has(part)) && !(await isStored(store, part, options))) missing.add(part.digest);
    }
    return [...missing];
  }

  /**
   * Keeps a part, once all of it is there and is what its digest says.
   *
   * @throws ModelkeepError `INVALID_INPUT` for other bytes, or too many; what the disk says
   */
  async write(digest: string, bytes: AsyncIterable<Uint8Array>, { signal }: Abortable = {}): Promise<Segment> {
    if (!isDigest(digest))
      throw new ModelkeepError('INVALID_INPUT', 'A part is named sha256: and 64 hexadecimal digits');
    const partial = join(this.#folder, `${digestHex(digest)}.${randomBytes(6).toString('hex')}.partial`);
    const hash = createHash('sha256');
    let size = 0;
    try {
      await mkdir(this.#folder, { recursive: true, mode: 0o700 });
      const file = await open(partial, 'wx', 0o600);
      try {
        for await (const part of bytes) {
          throwIfAborted(signal);
          size += part.byteLength;
          if (size > MAX_PART_BYTES)
            throw new ModelkeepError('INVALID_INPUT', `A part has ${MAX_PART_BYTES} bytes at most`);
          hash.update(part);
          await file.write(part);
        }
      } finally {
        await file.close();
      }
      const found = `sha256:${hash.digest('hex')}`;
      if (size === 0 || found !== digest) {
        throw new ModelkeepError(
          'INVALID_INPUT',
          `The ${size} bytes that came are ${found}, not ${digest}: send the part again`,
        );
      }
      await rename(partial, this.#pathOf({ digest }));
      return { digest, size };
    } catch (error) {
      await rm(partial, { force: true });
      throw fileError(error, `Cannot keep the part ${digest}`, 'free disk space on the server');
    }
  }

  /**
   * Puts files together from parts, here or in the store, and publishes them as `push` does.
   *
   * @throws ModelkeepError `INVALID_INPUT` with `details.missing` if parts are missing; what `push` says
   */
  async push(store: VersionStore, files: readonly UploadedFile[], options: PushOptions): Promise<Pushed> {
    checkFiles(files);
    const abortable = options.signal === undefined ? {} : { signal: options.signal };
    const parts = files.flatMap((file) => file.parts);
    const missing = await this.missing(store, parts, abortable);
    if (missing.length > 0) {
      throw new ModelkeepError('INVALID_INPUT', `${missing.length} parts are missing: send them, then say this again`, {
        details: { missing },
      });
    }
    const directory = join(this.#folder, `push-${randomBytes(8).toString('hex')}`);
    try {
      for (const { path, parts: own } of files) await this.#assemble(store, join(directory, path), own, abortable);
      const pushed = await push(store, directory, options);
      for (const part of parts) await rm(this.#pathOf(part), { force: true });
      return pushed;
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  }

  /** Publishes the directory in a tar, which is unpacked here meanwhile. @throws ModelkeepError as {@link pushTar} */
  async pushTar(store: VersionStore, tar: AsyncIterable<Uint8Array>, options: PushOptions): Promise<Pushed> {
    await this.#expire();
    return pushTar(store, tar, this.#folder, options);
  }

  #pathOf({ digest }: Pick<Segment, 'digest'>): string {
    return join(this.#folder, `${digestHex(digest)}.part`);
  }

  /** True for a part that is here; it is kept for another day then. */
  async #has(part: Segment): Promise<boolean> {
    const path = this.#pathOf(part);
    const found = await stat(path).catch(() => undefined);
    if (found?.size !== part.size) return false;
    const now = new Date();
    await utimes(path, now, now);
    return true;
  }

  async #assemble(store: VersionStore, path: string, parts: readonly Segment[], { signal }: Abortable): Promise<void> {
    try {
      await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      const file = await open(path, 'wx', 0o600);
      try {
        for (const part of parts) {
          const bytes = (await this.#has(part))
            ? (createReadStream(this.#pathOf(part)) as AsyncIterable<Uint8Array>)
            : store.readStored(part, signal === undefined ? {} : { signal });
          for await (const chunk of bytes) {
            throwIfAborted(signal);
            await file.write(chunk);
          }
        }
      } finally {
        await file.close();
      }
    } catch (error) {
      throw fileError(error, `Cannot put ${path} together`, 'free disk space on the server');
    }
  }

  /** Removes what nobody has asked for or used for a day, and what an ended process left. */
  async #expire(): Promise<void> {
    const before = Date.now() - PART_AGE_MS;
    for (const name of await readdir(this.#folder).catch(() => [])) {
      const path = join(this.#folder, name);
      const found = await stat(path).catch(() => undefined);
      if (found !== undefined && found.mtimeMs < before) await rm(path, { recursive: true, force: true });
    }
  }
}

function checkPart({ digest, size }: Segment): void {
  if (isDigest(digest) && Number.isSafeInteger(size) && size >= 1 && size <= MAX_PART_BYTES) return;
  throw new ModelkeepError('INVALID_INPUT', `A part has a sha256 digest and 1 to ${MAX_PART_BYTES} bytes`);
}

function checkFiles(files: readonly UploadedFile[]): void {
  if (files.length === 0 || files.length > MAX_FILES) {
    throw new ModelkeepError('INVALID_INPUT', `A version has 1 to ${MAX_FILES} files, not ${files.length}`);
  }
  const paths = new Set(files.map(({ path }) => checkFilePath(path).toLowerCase()));
  if (paths.size !== files.length) throw new ModelkeepError('INVALID_INPUT', 'Two of the files have the same path');
}

/** True if the store has a segment, as far as its first bytes tell. */
async function isStored(store: VersionStore, part: Segment, options: Abortable): Promise<boolean> {
  const bytes = store.readStored(part, options)[Symbol.asyncIterator]();
  try {
    return (await bytes.next()).done !== true;
  } catch (error) {
    if (error instanceof ModelkeepError && error.code === 'DIGEST_MISMATCH') return false;
    throw error;
  } finally {
    await bytes.return?.();
  }
}
