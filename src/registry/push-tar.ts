import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { checkFilePath, MAX_FILES, ModelkeepError, type VersionStore } from '../core/index.js';
import { push, type Pushed, type PushOptions } from './push.js';
import { unpackTar, type RefuseEntry } from './unpack-tar.js';

/** Most bytes of the files in a tar: 16 GiB, four times what the largest checkpoint of the served families has. */
export const MAX_TAR_BYTES = 16 * 2 ** 30;

/** Allows files and folders whose paths stay inside, each once, up to the bounds. */
function bounded(): RefuseEntry {
  const seen = new Set<string>();
  let bytes = 0;
  return ({ path, kind, size }) => {
    if (kind === 'other') return 'which is neither a file nor a folder: pack files instead of links';
    const inside = path.replace(/^(?:\.\/)+/, '').replace(/\/+$/, '');
    if (inside === '.' || (inside === '' && path !== '')) return kind === 'folder' ? undefined : 'which has no name';
    checkFilePath(inside);
    if (kind === 'folder') return undefined;
    if (seen.has(inside)) return 'twice';
    seen.add(inside);
    bytes += size;
    if (seen.size > MAX_FILES) return `and more than ${MAX_FILES} files`;
    if (bytes > MAX_TAR_BYTES) return `and more than ${MAX_TAR_BYTES} bytes: send it in parts`;
    return undefined;
  };
}

/** A tar of a folder by its name holds that folder alone. */
async function topOf(directory: string): Promise<string> {
  const [only, more] = await readdir(directory, { withFileTypes: true });
  if (only === undefined) throw new ModelkeepError('INVALID_ARTIFACT', 'The tar holds no files: pack a checkpoint');
  return more === undefined && only.isDirectory() ? join(directory, only.name) : directory;
}

/**
 * Publishes the directory in a tar, as {@link push} publishes one that lies on this machine.
 *
 * @param tar its bytes as they come in, plain or compressed with gzip
 * @param folder where it is unpacked meanwhile: it needs room for all of it
 * @throws ModelkeepError `INVALID_ARTIFACT` for what is no whole tar, and for one that holds links, paths that leave it,
 * a path twice, more than 10,000 files or more than 16 GiB; what {@link push} says
 */
export async function pushTar(
  store: VersionStore,
  tar: AsyncIterable<Uint8Array>,
  folder: string,
  options: PushOptions,
): Promise<Pushed> {
  const { signal } = options;
  const source = { name: 'The tar', bytes: tar, folder, ...(signal === undefined ? {} : { signal }) };
  return unpackTar(source, bounded(), async (directory) => push(store, await topOf(directory), options));
}
