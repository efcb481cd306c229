import type { Entry, ZipFile } from 'yauzl';
import { fileError, ModelkeepError } from '../../core/index.js';

/** The first bytes of a zip archive with at least one entry. */
export const ZIP_MAGIC: readonly number[] = [0x50, 0x4b, 0x03, 0x04];

/** The entry that describes the object; all others are arrays. */
export const SCHEMA_ENTRY = 'schema.json';

/** Most entries: one for each array, of which large forests have some thousands. */
const MAX_ENTRIES = 200_000;
/** Largest schema that is read, in bytes: that of a forest of 1,000 trees has some 10 MB. */
const MAX_SCHEMA_BYTES = 64 * 1024 * 1024;
/** Bytes that any archive may unpack to, and how many times its own size a larger one may. */
const ALWAYS_UNPACKED_BYTES = 64 * 1024 * 1024;
const MAX_RATIO = 200;
/** Compression methods that are unpacked here: stored and deflated. */
const STORED = 0;
const DEFLATED = 8;

/** What a skops file holds. */
export interface SkopsArchive {
  /** Names of all entries. */
  readonly names: ReadonlySet<string>;
  /** The text of `schema.json`; absent if it is compressed in a way that only Python unpacks. */
  readonly schema: string | undefined;
  /** True if every entry is stored as it is. */
  readonly stored: boolean;
}

/**
 * Reads the directory of a skops file and its schema, in bounded memory. No array is read.
 *
 * @param path the file on this machine
 * @param name its name, for messages
 * @throws ModelkeepError `INVALID_ARTIFACT` for a file that is no zip archive, is cut off, or whose directory is not
 * what skops writes: names that are paths or occur twice, encrypted entries, no schema, or contents that are far
 * larger than the file
 */
export async function readSkopsArchive(path: string, name: string): Promise<SkopsArchive> {
  let zip: ZipFile;
  const { default: yauzl } = await import('yauzl');
  try {
    zip = await yauzl.openPromise(path, { autoClose: false, strictFileNames: true });
  } catch (error) {
    throw unreadable(name, error);
  }
  try {
    return await readDirectory(zip, name);
  } catch (error) {
    throw error instanceof ModelkeepError ? error : unreadable(name, error);
  } finally {
    zip.close();
  }
}

/** The error for a file that is not what skops writes. */
export function noSkops(name: string, why: string, cause?: unknown): ModelkeepError {
  return new ModelkeepError(
    'INVALID_ARTIFACT',
    `${name} is no skops file: ${why}. Save the model with skops.io.dump and publish that file`,
    { cause },
  );
}

/** The error for what reading threw: of the system, or of the archive. */
function unreadable(name: string, error: unknown): unknown {
  const { message, syscall } = error as NodeJS.ErrnoException;
  if (syscall === undefined) return noSkops(name, message, error);
  return fileError(error, `Cannot read ${name}`, 'make it readable and publish again');
}

async function readDirectory(zip: ZipFile, name: string): Promise<SkopsArchive> {
  if (zip.entryCount > MAX_ENTRIES) {
    throw noSkops(name, `it has ${zip.entryCount} entries, at most ${MAX_ENTRIES} are read`);
  }
  const names = new Set<string>();
  let unpackedBytes = 0;
  let schema: Entry | undefined;
  let stored = true;
  for await (const entry of zip.eachEntry()) {
    checkEntry(entry, names, name);
    names.add(entry.fileName);
    unpackedBytes += entry.uncompressedSize;
    stored &&= entry.compressionMethod === STORED;
    if (entry.fileName === SCHEMA_ENTRY) schema = entry;
  }
  if (unpackedBytes > Math.max(ALWAYS_UNPACKED_BYTES, MAX_RATIO * zip.fileSize)) {
    throw noSkops(name, `it has ${zip.fileSize} bytes and would unpack to ${unpackedBytes}, as a zip bomb would`);
  }
  if (schema === undefined) throw noSkops(name, `it has no ${SCHEMA_ENTRY}`);
  return { names, schema: await readSchema(zip, schema, name), stored };
}

function checkEntry(entry: Entry, names: ReadonlySet<string>, name: string): void {
  const shown = JSON.stringify(entry.fileName.slice(0, 200));
  // skops writes all entries side by side. Two of one name would be read differently by different programs.
  if (!/^[A-Za-z0-9_-][\w.-]*$/.test(entry.fileName)) throw noSkops(name, `its entry ${shown} is no plain file name`);
  if (names.has(entry.fileName)) throw noSkops(name, `it has two entries ${shown}`);
  if (entry.isEncrypted()) throw noSkops(name, `its entry ${shown} is encrypted`);
}

async function readSchema(zip: ZipFile, entry: Entry, name: string): Promise<string | undefined> {
  if (entry.compressionMethod !== STORED && entry.compressionMethod !== DEFLATED) return undefined;
  if (entry.uncompressedSize > MAX_SCHEMA_BYTES) {
    throw noSkops(
      name,
      `its ${SCHEMA_ENTRY} has ${entry.uncompressedSize} bytes, at most ${MAX_SCHEMA_BYTES} are read`,
    );
  }
  const parts: Buffer[] = [];
  // The stream ends with an error as soon as there is more than the directory said.
  for await (const part of await zip.openReadStreamPromise(entry)) parts.push(part as Buffer);
  return Buffer.concat(parts).toString('utf8');
}
