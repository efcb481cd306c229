import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { ModelkeepError, type VersionStore } from '../core/index.js';
import { boundedEntries, MAX_ARCHIVE_BYTES } from './archive-bounds.js';
import { push, type Pushed, type PushOptions } from './push.js';
import { unpackTar } from './unpack-tar.js';

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
 * @throws ModelkeepError `INVALID_ARTIFACT` for what is no whole tar, and for one that holds links or paths that leave
 * it, a path twice, more than 10,000 files or more than 16 GiB; what {@link push} says
 */
export async function pushTar(
  store: VersionStore,
  tar: AsyncIterable<Uint8Array>,
  folder: string,
  options: PushOptions,
): Promise<Pushed> {
  const { signal } = options;
  const source = { name: 'The tar', bytes: tar, folder, ...(signal === undefined ? {} : { signal }) };
  return unpackTar(source, boundedEntries(MAX_ARCHIVE_BYTES), async (directory) =>
    push(store, await topOf(directory), options),
  );
}
