import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { create, extract, list } from 'tar';
import { asModelkeepError, fileError, ModelkeepError } from '../../core/index.js';

/** What a layout in a tar may hold: nothing else is written to the disk. */
const ENTRY = /^(?:\.\/)?(oci-layout|index\.json|blobs\/sha256\/[0-9a-f]{64})$/;
const FOLDER = /^\.?\/?(?:blobs(?:\/sha256)?\/?)?$/;

/** Writes a layout into a folder beside the file, then packs it; a file that is there is replaced in one step. */
export async function packTar<T>(file: string, write: (directory: string) => Promise<T>): Promise<T> {
  const target = resolve(file);
  const folder = await temporaryBeside(target);
  const layout = join(folder, 'layout');
  const packed = join(folder, 'packed.tar');
  try {
    await mkdir(layout);
    const result = await write(layout);
    // The same bytes for the same layout: no times, no owner.
    await create({ file: packed, cwd: layout, portable: true, noMtime: true }, ['oci-layout', 'index.json', 'blobs']);
    await rename(packed, target);
    return result;
  } catch (error) {
    throw fileError(error, `Cannot write ${target}`, 'name a file that you may write, with enough room');
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Unpacks a layout beside the file, and removes it when `read` is done. @throws ModelkeepError `INVALID_ARTIFACT` */
export async function unpackTar<T>(file: string, read: (directory: string) => Promise<T>): Promise<T> {
  const folder = await temporaryBeside(resolve(file));
  try {
    await unpackInto(file, folder);
    return await read(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function temporaryBeside(file: string): Promise<string> {
  try {
    await mkdir(dirname(file), { recursive: true });
    return await mkdtemp(`${file}.`);
  } catch (error) {
    throw fileError(error, `Cannot write beside ${file}`, 'name a place that you may write to');
  }
}

async function unpackInto(file: string, folder: string): Promise<void> {
  const strange: string[] = [];
  try {
    // Looked at as a whole before anything is written.
    await list({
      file,
      strict: true,
      onReadEntry: ({ path, type }) => {
        const isPart = type === 'Directory' ? FOLDER.test(path) : type === 'File' && ENTRY.test(path);
        if (!isPart) strange.push(path);
      },
    });
    if (strange.length === 0) return await extract({ file, cwd: folder, strict: true, preserveOwner: false });
  } catch (error) {
    throw asModelkeepError(error, 'INVALID_ARTIFACT');
  }
  throw new ModelkeepError(
    'INVALID_ARTIFACT',
    `${file} holds ${JSON.stringify(strange[0])}, which is no part of an OCI image layout`,
  );
}
