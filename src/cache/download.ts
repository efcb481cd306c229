import { open, rm, type FileHandle } from 'node:fs/promises';
import {
  createDigester,
  ModelkeepError,
  type Digester,
  type ReadOptions,
  type Rest,
  type SegmentPlace,
  type VersionRecord,
  type VersionStore,
} from '../core/index.js';

/** Bytes of one read of what is there already. */
const READ_BYTES = 1024 * 1024;

/** What to download. */
export interface Download {
  readonly store: VersionStore;
  readonly record: VersionRecord;
  readonly place: SegmentPlace;
  readonly signal: AbortSignal;
  /** Awaited after each part. @defaultValue none is taken */
  readonly rest?: Rest;
}

/**
 * Brings a segment into a file, going on where an earlier attempt stopped; what that one left is thrown away if its
 * bytes turn out to be wrong.
 *
 * @returns the bytes that came from the store
 * @throws ModelkeepError what the store says; `DIGEST_MISMATCH` if its bytes are not those that were published
 */
export async function downloadSegment(download: Download, file: string): Promise<number> {
  const { place, store } = download;
  const output = await open(file, 'a+', 0o600);
  try {
    const found = (await output.stat()).size;
    let fetched = 0;
    // The second time the store checks too: if its bytes are wrong it says so, and takes note of it.
    for (let start = found <= place.size ? found : 0, unchecked = true; ; start = 0, unchecked = false) {
      if (start === 0) await output.truncate(0);
      const digester = await digestKept(download, output, start);
      fetched += await receive(download, output, digester, { start, unchecked });
      if (digester.size === place.size && digester.finish() === place.digest) break;
      if (unchecked) continue;
      await rm(file, { force: true });
      throw new ModelkeepError(
        'DIGEST_MISMATCH',
        `Segment ${place.digest} of file "${place.path}" did not arrive as it was published in ${store.location}: try again, and verify the store if it stays so`,
        { details: { path: place.path, segment: place.digest } },
      );
    }
    await output.datasync();
    return fetched;
  } finally {
    await output.close();
  }
}

/** Takes what is in the file already into a digest. */
async function digestKept({ signal, rest }: Download, output: FileHandle, bytes: number): Promise<Digester> {
  const digester = createDigester();
  if (bytes === 0) return digester;
  const parts = output.createReadStream({ start: 0, end: bytes - 1, autoClose: false, highWaterMark: READ_BYTES });
  for await (const chunk of parts) {
    digester.update(chunk as Buffer);
    await rest?.({ signal });
  }
  return digester;
}

async function receive(
  { store, record, place, signal, rest }: Download,
  output: FileHandle,
  digester: Digester,
  how: Pick<ReadOptions, 'unchecked'> & { readonly start: number },
): Promise<number> {
  if (how.start === place.size) return 0;
  let bytes = 0;
  for await (const chunk of store.readSegment(record, place, { ...how, passing: true, signal })) {
    digester.update(chunk);
    await append(output, chunk);
    bytes += chunk.byteLength;
    await rest?.({ signal });
  }
  return bytes;
}

/** One write where the system takes all of it; `appendFile` makes one of each half a megabyte. */
async function append(output: FileHandle, chunk: Uint8Array): Promise<void> {
  for (let at = 0; at < chunk.byteLength;) at += (await output.write(chunk, at)).bytesWritten;
}
