import type { ObjectId } from 'mongodb';
import {
  checkManifest,
  createDigester,
  isModelName,
  ModelkeepError,
  type Format,
  type Manifest,
  type Segment,
} from '../../core/index.js';
import { duplicateKey, type Database } from './database.js';
import { UNADOPTED, type FileDocument, type StatusDocument } from './documents.js';
import { readRange, type StoredBytes } from './stored-bytes.js';

/** Largest segment that an adopted file is cut into: 64 MiB, as files without tensors are cut when they are published. */
const SEGMENT_BYTES = 64 * 1024 * 1024;

/** First bytes of pickles and of the compressed forms that joblib writes: zlib, gzip, bzip2, xz and lz4. */
const JOBLIB_MAGIC: readonly (readonly number[])[] = [
  [0x80],
  [0x78],
  [0x1f, 0x8b],
  [0x42, 0x5a, 0x68],
  [0xfd, 0x37, 0x7a],
  [0x04, 0x22, 0x4d, 0x18],
];
/** First bytes of a skops file, which is a zip archive. */
const SKOPS_MAGIC: readonly number[] = [0x50, 0x4b, 0x03, 0x04];
/** An ONNX model begins with its IR version: field 1, a varint. */
const ONNX_MAGIC = 0x08;

/** The highest version number of a model; 0 if it has none. */
export async function highestVersion({ status }: Database, model: string): Promise<number> {
  const [newest] = await status
    .find({ model_name: model, version: { $exists: true } }, { projection: { _id: 0, version: 1 } })
    .sort({ version: -1 })
    .limit(1)
    .toArray();
  return newest?.version ?? 0;
}

/**
 * Gives the versions that plain scripts have inserted their numbers, in the order of their insertion. Safe among any
 * number of processes: a number is taken by a unique index, a document by a condition on its missing state.
 *
 * @param model only this model; absent: all
 */
export async function adopt(database: Database, model?: string): Promise<void> {
  const { status } = database;
  const filter = { ...UNADOPTED, ...(model === undefined ? {} : { model_name: model }) };
  for (const document of await status.find(filter).sort({ inserted_time: 1, _id: 1 }).toArray()) {
    // A name that no reference can hold stays as it is: its script can still read it.
    if (typeof document.model_name === 'string' && isModelName(document.model_name)) await adoptOne(database, document);
  }
}

async function adoptOne(
  database: Database,
  { _id, model_name: model, file_id: fileId }: StatusDocument,
): Promise<void> {
  const { status, files } = database;
  const file = await files.findOne({ _id: fileId }, { projection: { length: 1 } });
  for (;;) {
    const version = (await highestVersion(database, model)) + 1;
    try {
      await status.updateOne(
        { _id, state: { $exists: false } },
        { $set: { version, state: 'ready', size: file?.length ?? 0 } },
      );
      return;
    } catch (error) {
      // Somebody took the number: take the next one.
      if (duplicateKey(error) !== 'version') throw error;
    }
  }
}

/**
 * Makes the manifest of a file that a plain script stored, reading it once, and records what was learnt.
 *
 * @throws ModelkeepError `UNSUPPORTED_FORMAT` for a file that is neither a pickle nor skops nor ONNX; `DIGEST_MISMATCH` if chunks
 * are missing
 */
export async function describeAdopted(
  database: Database,
  file: FileDocument,
  what: StoredBytes,
  signal?: AbortSignal,
): Promise<Manifest> {
  const segments: Segment[] = [];
  let digester = createDigester();
  let kind: Kind | undefined;
  for await (const bytes of readRange(database, file, what, { start: 0, end: file.length }, signal)) {
    kind ??= kindOf(bytes, what);
    for (let at = 0; at < bytes.byteLength;) {
      const part = bytes.subarray(at, at + SEGMENT_BYTES - digester.size);
      digester.update(part);
      at += part.byteLength;
      if (digester.size < SEGMENT_BYTES) continue;
      segments.push({ size: digester.size, digest: digester.finish() });
      digester = createDigester();
    }
  }
  if (digester.size > 0) segments.push({ size: digester.size, digest: digester.finish() });
  if (kind === undefined)
    throw new ModelkeepError('INVALID_ARTIFACT', `The stored ${what.name} is empty: publish the file again`);
  return checkManifest({
    schema: 1,
    format: kind.format,
    files: [{ path: pathOf(file.filename, kind.ending), size: file.length, segments }],
  });
}

/** What a file is, and how its name ends. */
interface Kind {
  readonly format: Format;
  readonly ending: string;
}

function kindOf(bytes: Uint8Array, { name }: StoredBytes): Kind {
  const begins = (magic: readonly number[]): boolean => magic.every((byte, index) => bytes[index] === byte);
  if (bytes[0] === ONNX_MAGIC) return { format: 'onnx', ending: '.onnx' };
  if (begins(SKOPS_MAGIC)) return { format: 'joblib', ending: '.skops' };
  if (JOBLIB_MAGIC.some(begins)) return { format: 'joblib', ending: '.joblib' };
  throw new ModelkeepError(
    'UNSUPPORTED_FORMAT',
    `The stored ${name} is neither a pickle (joblib), nor a skops or ONNX file: publish it with modelkeep push`,
  );
}

/** A safe file name for a stored file: its own, if it has the right ending, else the last part of it with that ending. */
function pathOf(filename: string, ending: string): string {
  const last =
    (filename.split(/[/\\]/).at(-1) ?? '')
      .replaceAll(/[^A-Za-z0-9._-]/g, '_')
      .replace(/^[.]+/, '')
      .slice(0, 150) || 'model';
  return last.endsWith(ending) ? last : `${last}${ending}`;
}

/** Records what was learnt of an adopted version at its first reading. */
export async function recordAdopted(
  { status }: Database,
  fileId: ObjectId,
  facts: Pick<StatusDocument, 'digest' | 'format' | 'size'>,
): Promise<void> {
  await status.updateOne({ file_id: fileId, digest: { $exists: false } }, { $set: facts });
}
