import {
  createDigester,
  decodeManifest,
  digestOf,
  ModelkeepError,
  throwIfAborted,
  versionName,
  type Manifest,
  type SegmentPlace,
  type VersionRecord,
} from '../../core/index.js';
import { decodeRow, type VersionRow } from './records.js';
import type { SegmentStorage } from './segment-storage.js';
import { KEYS, type LedgerTable } from './table.js';

/** The manifest of a version. @throws ModelkeepError as `VersionStore.readManifest` */
export function readManifestRow(table: LedgerTable, record: VersionRecord): Manifest {
  const stored = table.get(KEYS.version(record.model, record.version));
  if (stored === undefined || (decodeRow(stored) as VersionRow).state === 'collected') {
    throw new ModelkeepError('VERSION_NOT_FOUND', `Version "${versionName(record)}" was removed: list the versions`);
  }
  const bytes = Buffer.from((record.digest && table.get(KEYS.manifest(record.digest))) ?? '', 'utf8');
  if (digestOf(bytes) !== record.digest) {
    throw new ModelkeepError(
      'DIGEST_MISMATCH',
      `The manifest of "${versionName(record)}" is ${bytes.length === 0 ? 'missing' : 'damaged'}: publish it again with force, or repair it with modelkeep verify`,
    );
  }
  return decodeManifest(bytes);
}

/** What {@link readVerified} reads. */
export interface VerifiedRead {
  readonly segments: SegmentStorage;
  readonly place: SegmentPlace;
  /** First byte wanted. */
  readonly start: number;
  /** The caller checks the digest. */
  readonly unchecked?: boolean | undefined;
  /** The caller is done with each part when it asks for the next. */
  readonly passing?: boolean | undefined;
  /** The store, for messages. */
  readonly location: string;
}

/** The bytes of a segment, checked unless the caller does. @throws ModelkeepError as `VersionStore.readSegment` */
export async function* readVerified(
  { segments, place, start, unchecked = false, passing = false, location }: VerifiedRead,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const damaged = (why: string): ModelkeepError =>
    new ModelkeepError(
      'DIGEST_MISMATCH',
      `Segment ${place.digest} of file "${place.path}" ${why} in ${location}: publish the version again`,
      { details: { path: place.path, segment: place.digest } },
    );
  if (!Number.isSafeInteger(start) || start < 0 || start > place.size) {
    throw new ModelkeepError('INVALID_INPUT', `Reading cannot start at ${start} of ${place.size} bytes of a segment`);
  }
  const bytes = await segments.read(place, start, passing);
  if (bytes === undefined) throw damaged('is missing');
  const wrong = async (why: string): Promise<ModelkeepError> => {
    await segments.distrust?.(place);
    return damaged(why);
  };
  const digester = start > 0 || unchecked ? undefined : createDigester();
  let end = start;
  for await (const part of bytes) {
    throwIfAborted(signal);
    digester?.update(part);
    end += part.byteLength;
    if (end > place.size) throw await wrong('is too long');
    yield part;
    throwIfAborted(signal);
  }
  throwIfAborted(signal);
  if (end !== place.size) throw await wrong(`has ${end} of ${place.size} bytes`);
  if (digester !== undefined && digester.finish() !== place.digest) throw await wrong('has altered bytes');
}
