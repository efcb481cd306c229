import { createReadStream, statSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { ModelkeepError, type Abortable } from '../core/index.js';
import { boundedEntries, unpackedBytesOf } from './archive-bounds.js';
import { unpackTarInto } from './unpack-tar.js';
import { unpackZip } from './unpack-zip.js';
import type { Workspace } from './workspace.js';

const ZIP = /\.(zip|whl|jar)$/i;
const TAR = /\.(tar|tgz|tar\.gz)$/i;
/** Archives that people have and that are not unpacked. */
const OTHER_ARCHIVE = /\.(rar|7z|tar\.(bz2|xz|zst)|tbz2|txz|bz2|xz|zst|gz)$/i;

/** What a path stands for: itself, or the folder that an archive was unpacked to. */
export interface OpenedPath {
  readonly path: string;
  /** Says what was named in the place of where it was unpacked. */
  named(error: unknown): unknown;
}

/**
 * Opens what is to be published: a `.zip` (`.whl`, `.jar`), `.tar` or `.tar.gz` file is unpacked into the workspace.
 *
 * @throws ModelkeepError `INVALID_ARTIFACT` for an archive that is damaged or holds what it may not;
 * `UNSUPPORTED_FORMAT` for a kind of archive that is not read
 */
export async function openPath(path: string, workspace: Workspace, { signal }: Abortable = {}): Promise<OpenedPath> {
  const isArchive = ZIP.test(path) || TAR.test(path) || OTHER_ARCHIVE.test(path);
  const stat = isArchive ? statSync(path, { throwIfNoEntry: false }) : undefined;
  if (stat?.isFile() !== true) return { path, named: (error) => error };
  if (!ZIP.test(path) && !TAR.test(path)) {
    throw new ModelkeepError(
      'UNSUPPORTED_FORMAT',
      `${path} is an archive of a kind that is not read: unpack it and publish the folder, or pack it as .zip or .tar.gz`,
    );
  }
  const folder = join(workspace.folder(), 'unpacked');
  await mkdir(folder);
  if (ZIP.test(path)) await unpackZip(path, folder, signal === undefined ? {} : { signal });
  else {
    const source = { name: path, bytes: createReadStream(path), ...(signal === undefined ? {} : { signal }) };
    await unpackTarInto(source, folder, boundedEntries(unpackedBytesOf(stat.size)));
  }
  return {
    path: folder,
    named: (error) => {
      if (!(error instanceof ModelkeepError) || !error.message.includes(folder)) return error;
      const { code, cause, details } = error;
      return new ModelkeepError(code, error.message.replaceAll(folder, path), { cause, details });
    },
  };
}
