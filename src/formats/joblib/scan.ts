import { closeSync, fstatSync, openSync, readFileSync, readSync } from 'node:fs';
import { unzipSync } from 'node:zlib';
import { ModelkeepError } from '../../core/index.js';
import { bufferSource, withFileSource, type ByteSource } from './byte-source.js';
import { PickleWalk, VERSION_ATTRIBUTE, type PickleFacts } from './pickle-walk.js';
import { isSafeGlobal } from './safe-globals.js';

/** How a pickled file is compressed; `zip`: a skops file with compressed entries. */
export type PickleCompression = 'none' | 'zlib' | 'gzip' | 'bz2' | 'xz' | 'lzma' | 'lz4' | 'zip';

/** What is known of a pickled model or a skops file without loading it; kept as `pickle` in the version's metadata. */
export interface PickleReport {
  /** Full names of the classes and functions that it imports, sorted. Unpickling it may call each of them. */
  readonly globals: readonly string[];
  /** Those of {@link globals} that are not on the allow-list. */
  readonly unsafeGlobals: readonly string[];
  /** False if the file could be read in part only, or not at all: there may be more globals. */
  readonly complete: boolean;
  /** Why it is not complete. */
  readonly incompleteWhy?: string;
  readonly compression: PickleCompression;
  /** Highest protocol that the file announces; absent for protocols 0 and 1, which announce none. */
  readonly protocol?: number;
  /** The Python releases that can read that protocol, such as `>=3.4`. */
  readonly python?: string;
  /** The scikit-learn release that fitted it, where it says so. */
  readonly sklearn?: string;
  /** The numpy release line that wrote it, such as `>=2`, where its modules tell. */
  readonly numpy?: string;
  /** The skops release that wrote it; of skops files only, which have no {@link protocol}. */
  readonly skops?: string;
}

/** First bytes of the compressed forms that joblib writes. */
const MAGIC: readonly (readonly [compression: PickleCompression, bytes: readonly number[]])[] = [
  ['gzip', [0x1f, 0x8b]],
  ['bz2', [0x42, 0x5a, 0x68]],
  ['xz', [0xfd, 0x37, 0x7a, 0x58, 0x5a]],
  ['lzma', [0x5d, 0x00]],
  ['lz4', [0x04, 0x22, 0x4d, 0x18]],
  ['zlib', [0x78]],
];

/** Largest compressed file, and largest contents of it, that are read: more would not be a small model's. */
const MAX_UNPACKED_BYTES = 256 * 1024 * 1024;

/** Which Python can read which protocol, from the table in the documentation of Python's `pickle` module. */
const PYTHON_OF_PROTOCOL: readonly string[] = ['>=1.5', '>=1.5', '>=2.3', '>=3.0', '>=3.4', '>=3.8'];
const HIGHEST_PROTOCOL = 5;

function compressionOf(head: Buffer): PickleCompression {
  const found = MAGIC.find(([, magic]) => magic.every((byte, index) => head[index] === byte));
  return found?.[0] ?? 'none';
}

function readHead(path: string): { readonly head: Buffer; readonly size: number } {
  const handle = openSync(path, 'r');
  try {
    const head = Buffer.alloc(16);
    return { head: head.subarray(0, readSync(handle, head)), size: fstatSync(handle).size };
  } finally {
    closeSync(handle);
  }
}

function numpyOf(globals: ReadonlySet<string>): string | undefined {
  const names = [...globals];
  // numpy 2.0 renamed numpy.core to numpy._core.
  if (names.some((name) => name.startsWith('numpy._core.'))) return '>=2';
  return names.some((name) => name.startsWith('numpy.core.')) ? '<2' : undefined;
}

function walk(source: ByteSource, name: string): PickleFacts {
  const facts: PickleFacts = { globals: new Set(), attributes: new Map(), complete: true };
  new PickleWalk(source, name, facts).run();
  return facts;
}

function report(facts: PickleFacts, compression: PickleCompression, head: Buffer): PickleReport {
  const globals = [...facts.globals].toSorted();
  const protocol = head[0] === 0x80 ? head[1] : undefined;
  const sklearn = facts.attributes.get(VERSION_ATTRIBUTE);
  const numpy = numpyOf(facts.globals);
  return {
    globals,
    unsafeGlobals: globals.filter((name) => !isSafeGlobal(name)),
    complete: facts.complete,
    ...(facts.complete ? {} : { incompleteWhy: 'it has an array whose length cannot be told without unpickling it' }),
    compression,
    ...(protocol === undefined ? {} : { protocol }),
    ...(protocol === undefined ? {} : { python: PYTHON_OF_PROTOCOL[protocol] ?? `>=${protocol}` }),
    ...(sklearn === undefined ? {} : { sklearn }),
    ...(numpy === undefined ? {} : { numpy }),
  };
}

function unread(compression: PickleCompression, incompleteWhy: string): PickleReport {
  return { globals: [], unsafeGlobals: [], complete: false, incompleteWhy, compression };
}

function checkProtocol(head: Buffer, name: string): void {
  const protocol = head[0] === 0x80 ? (head[1] ?? 0) : 0;
  if (protocol <= HIGHEST_PROTOCOL) return;
  throw new ModelkeepError(
    'INVALID_ARTIFACT',
    `${name} is no pickle: it announces protocol ${protocol}, known are 0 to ${HIGHEST_PROTOCOL}`,
  );
}

/**
 * Reads what a pickled model (joblib or pickle, compressed or not) would import, without executing any of it.
 *
 * @param path the file on this machine
 * @param name its name, for messages
 * @throws ModelkeepError `INVALID_ARTIFACT` for a file that is no pickle
 */
export function scanPickle(path: string, name: string): PickleReport {
  const { head, size } = readHead(path);
  const compression = compressionOf(head);
  if (compression === 'none') {
    checkProtocol(head, name);
    return report(
      withFileSource(path, name, (source) => walk(source, name)),
      compression,
      head,
    );
  }
  if (compression !== 'zlib' && compression !== 'gzip') {
    return unread(compression, `it is compressed with ${compression}, which is unpacked in the Python runner only`);
  }
  if (size > MAX_UNPACKED_BYTES) return unread(compression, `it has ${size} compressed bytes, too many to look into`);
  let bytes: Buffer;
  try {
    bytes = unzipSync(readFileSync(path), { maxOutputLength: MAX_UNPACKED_BYTES });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') {
      return unread(compression, `it unpacks to more than ${MAX_UNPACKED_BYTES} bytes`);
    }
    throw new ModelkeepError(
      'INVALID_ARTIFACT',
      `${name} looks compressed with ${compression} but does not unpack: ${(error as Error).message}. Save the model again`,
      { cause: error },
    );
  }
  checkProtocol(bytes, name);
  return report(walk(bufferSource(bytes, name), name), compression, bytes);
}
