import {
  createDigester,
  distinctPlaces,
  ModelkeepError,
  throwIfAborted,
  type ContentSource,
  type Manifest,
  type PublishOptions,
  type SegmentPlace,
} from '../../core/index.js';
import type { SegmentStorage } from './store.js';

/** What {@link sendContents} works on. */
export interface Sending {
  readonly segments: SegmentStorage;
  readonly manifest: Manifest;
  readonly source: ContentSource;
  /** Turns an error of the storage, not of the source, into one of the house. */
  readonly translate: (error: unknown) => unknown;
}

function wrongBytes(place: SegmentPlace, why: string): ModelkeepError {
  return new ModelkeepError(
    'DIGEST_MISMATCH',
    `The source's bytes of "${place.path}" at ${place.offset} ${why}, so they are not segment ${place.digest}: did the file change? Publish it again`,
    { details: { path: place.path, segment: place.digest } },
  );
}

/** The bytes of a segment from the source, checked; an error of the source is kept apart in `failed`. */
async function* checkedBytes(
  { source }: Sending,
  place: SegmentPlace,
  { signal, onBytes, failed }: { signal?: AbortSignal; onBytes: (bytes: number) => void; failed: (e: unknown) => void },
): AsyncGenerator<Uint8Array> {
  const digester = createDigester();
  try {
    const range = { start: place.offset, end: place.offset + place.size };
    for await (const part of source.open(place.path, range, signal === undefined ? {} : { signal })) {
      throwIfAborted(signal);
      digester.update(part);
      if (digester.size > place.size) throw wrongBytes(place, 'are too many');
      yield part;
      onBytes(part.byteLength);
    }
    throwIfAborted(signal);
    if (digester.size !== place.size) throw wrongBytes(place, `are ${digester.size} instead of ${place.size}`);
    if (digester.finish() !== place.digest) throw wrongBytes(place, 'have another digest');
  } catch (error) {
    failed(error);
    throw error;
  }
}

/** Stores the missing segments of a version and makes them durable; `known` if the version is already there. */
export async function sendContents(
  sending: Sending,
  options: PublishOptions,
  known: boolean,
): Promise<{ sentBytes: number; reusedBytes: number }> {
  const places = distinctPlaces(sending.manifest);
  const totalBytes = places.reduce((sum, { size }) => sum + size, 0);
  let sentBytes = 0;
  let reusedBytes = known ? totalBytes : 0;
  const report = (): void => options.onProgress?.({ doneBytes: sentBytes + reusedBytes, totalBytes });
  let sourceError: { readonly error: unknown } | undefined;
  try {
    for (const place of known ? [] : places) {
      throwIfAborted(options.signal);
      if (await sending.segments.has(place)) {
        reusedBytes += place.size;
        report();
        continue;
      }
      const onBytes = (bytes: number): void => {
        sentBytes += bytes;
        report();
      };
      const failed = (error: unknown): void => {
        sourceError = { error };
      };
      const { signal } = options;
      const control = { onBytes, failed, ...(signal === undefined ? {} : { signal }) };
      await sending.segments.write(place, checkedBytes(sending, place, control));
    }
    if (!known) await sending.segments.settle();
  } catch (error) {
    throw sourceError === undefined ? sending.translate(error) : sourceError.error;
  }
  throwIfAborted(options.signal);
  report();
  return { sentBytes, reusedBytes };
}
