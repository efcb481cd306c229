import { mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import {
  checkFilePath,
  contentSize,
  fileError,
  ModelkeepError,
  placesOf,
  throwIfAborted,
  type Abortable,
  type ManifestFile,
  type Reference,
  type TransferProgress,
  type VersionRecord,
  type VersionStore,
} from '../core/index.js';

/** Options of {@link pull}. */
export interface PullOptions extends Abortable {
  /** Write into a directory that is not empty, replacing files of the same names. @defaultValue false */
  readonly force?: boolean;
  readonly onProgress?: (progress: TransferProgress) => void;
}

/** What a pull did. */
export interface Pulled {
  readonly record: VersionRecord;
  /** Absolute path. */
  readonly directory: string;
  readonly files: readonly string[];
  readonly bytes: number;
}

/**
 * Writes the files of a version into a directory. Each file appears whole, after its digests were checked.
 *
 * @throws ModelkeepError what resolving says; `INVALID_INPUT` for a directory that is not empty; `DIGEST_MISMATCH`;
 * `STORE_UNAVAILABLE` or `STORE_PERMISSION` naming the file that could not be written
 */
export async function pull(
  store: VersionStore,
  reference: Reference,
  directory: string,
  options: PullOptions = {},
): Promise<Pulled> {
  const abortable = options.signal === undefined ? {} : { signal: options.signal };
  const record = await store.resolve(reference, abortable);
  const manifest = await store.readManifest(record, abortable);
  const target = resolve(directory);
  await prepareFolder(target, options.force === true);
  const totalBytes = contentSize(manifest);
  let doneBytes = 0;
  const onBytes = (bytes: number): void => {
    doneBytes += bytes;
    options.onProgress?.({ doneBytes, totalBytes });
  };
  for (const file of manifest.files) await writeFile(store, record, file, target, onBytes, options.signal);
  return { record, directory: target, files: manifest.files.map(({ path }) => path), bytes: totalBytes };
}

async function prepareFolder(target: string, force: boolean): Promise<void> {
  try {
    await mkdir(target, { recursive: true });
    if (!force && (await readdir(target)).length > 0) {
      throw new ModelkeepError(
        'INVALID_INPUT',
        `The directory ${target} is not empty: name another one, or use --force`,
      );
    }
  } catch (error) {
    throw fileError(error, `Cannot write to ${target}`, 'name a directory that you may write to');
  }
}

async function writeFile(
  store: VersionStore,
  record: VersionRecord,
  file: ManifestFile,
  target: string,
  onBytes: (bytes: number) => void,
  signal: AbortSignal | undefined,
): Promise<void> {
  const path = join(target, checkFilePath(file.path));
  const partial = `${path}.partial`;
  try {
    await mkdir(dirname(path), { recursive: true });
    const output = await open(partial, 'w');
    try {
      for (const place of placesOf(file)) {
        throwIfAborted(signal);
        for await (const chunk of store.readSegment(record, place, signal === undefined ? {} : { signal })) {
          await output.write(chunk);
          onBytes(chunk.byteLength);
        }
      }
    } finally {
      await output.close();
    }
    await rename(partial, path);
  } catch (error) {
    await rm(partial, { force: true });
    throw fileError(error, `Cannot write ${path}`, 'free disk space or name another directory');
  }
}
