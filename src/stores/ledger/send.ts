import {
  asModelkeepError,
  createDigester,
  HASH_LANES,
  inLanes,
  ModelkeepError,
  throwIfAborted,
  type ContentSource,
  type PublishOptions,
  type SegmentPlace,
} from '../../core/index.js';
import type { SegmentStorage } from './segment-storage.js';

/** What {@link sendContents} works on. */
export interface Sending {
  readonly segments: SegmentStorage;
  /** What is to be there, each segment once. */
  readonly places: readonly SegmentPlace[];
  readonly source: ContentSource;
  /** Turns an error of the storage, not of the source, into one of the house. */
  readonly translate: (error: unknown) => ModelkeepError;
}

/** Options of {@link sendContents}: those of a publish, with a signal that also fires when the store is closed. */
export interface SendOptions extends PublishOptions {
  readonly signal: AbortSignal;
}

function wrongBytes(place: SegmentPlace, why: string): ModelkeepError {
  return new ModelkeepError(
    'DIGEST_MISMATCH',
    `The source's bytes of "${place.path}" at ${place.offset} ${why}, so they are not segment ${place.digest}: did the file change? Publish it again`,
    { details: { path: place.path, segment: place.digest } },
  );
}

/** A promise that rejects when the signal fires, for sources that do not heed it. */
function abortion(signal: AbortSignal): { promise: Promise<never>; release: () => void } {
  let onAbort: (() => void) | undefined;
  const promise = new Promise<never>((_resolve, reject) => {
    onAbort = () => reject(asModelkeepError(signal.reason, 'CANCELLED'));
    signal.addEventListener('abort', onAbort, { once: true });
  });
  return { promise, release: () => onAbort && signal.removeEventListener('abort', onAbort) };
}

/** What `parts` gives until the signal fires; then it fails at once, even if `parts` never answers again. */
async function* untilAborted(parts: AsyncIterable<Uint8Array>, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  throwIfAborted(signal);
  const iterator = parts[Symbol.asyncIterator]();
  const { promise: aborted, release } = abortion(signal);
  try {
    for (;;) {
      const next = await Promise.race([iterator.next(), aborted]);
      if (next.done === true) return;
      yield next.value;
    }
  } finally {
    release();
    const ended = Promise.resolve(iterator.return?.());
    // One that does not answer cannot be waited for; what it says later concerns nobody, as the publish has ended.
    if (signal.aborted) ended.catch(() => undefined);
    else await ended;
  }
}

/** What the bytes of a segment are watched with. */
interface Control {
  readonly signal: AbortSignal;
  readonly onBytes: (bytes: number) => void;
  /** Told of an error of the source or its bytes, which is then thrown. */
  readonly failed: (error: unknown) => void;
}

/** The bytes of a segment from the source, checked. */
async function* checkedBytes(source: ContentSource, place: SegmentPlace, control: Control): AsyncGenerator<Uint8Array> {
  const { signal, onBytes, failed } = control;
  const digester = createDigester();
  try {
    const range = { start: place.offset, end: place.offset + place.size };
    for await (const part of untilAborted(source.open(place.path, range, { signal }), signal)) {
      digester.update(part);
      if (digester.size > place.size) throw wrongBytes(place, 'are too many');
      yield part;
      onBytes(part.byteLength);
      throwIfAborted(signal);
    }
    if (digester.size !== place.size) throw wrongBytes(place, `are ${digester.size} instead of ${place.size}`);
    if (digester.finish() !== place.digest) throw wrongBytes(place, 'have another digest');
  } catch (error) {
    failed(error);
    throw error;
  }
}

/**
 * Stores what is missing or damaged of some segments and makes all of them durable.
 *
 * @throws ModelkeepError `DIGEST_MISMATCH` if the source's bytes are not those of the manifest; the source's own error
 */
export async function sendContents(
  { segments, places, source, translate }: Sending,
  { signal, onProgress }: SendOptions,
): Promise<{ sentBytes: number; reusedBytes: number }> {
  const totalBytes = places.reduce((sum, { size }) => sum + size, 0);
  let [sentBytes, reusedBytes] = [0, 0];
  const report = (): void => onProgress?.({ doneBytes: sentBytes + reusedBytes, totalBytes });
  let ofSource: { readonly error: unknown } | undefined;
  const control: Control = {
    signal,
    onBytes: (bytes) => {
      sentBytes += bytes;
      report();
    },
    failed: (error) => {
      ofSource = { error };
    },
  };
  try {
    const whole = await inLanes(HASH_LANES, places, async (place) => {
      throwIfAborted(signal);
      const isWhole = await segments.has(place, signal);
      if (isWhole) reusedBytes += place.size;
      report();
      return isWhole;
    });
    for (const [index, place] of places.entries()) {
      if (whole[index] === true) continue;
      throwIfAborted(signal);
      await segments.write(place, checkedBytes(source, place, control));
    }
    await segments.settle(places);
  } catch (error) {
    throwIfAborted(signal);
    throw ofSource === undefined ? translate(error) : ofSource.error;
  }
  throwIfAborted(signal);
  report();
  return { sentBytes, reusedBytes };
}
