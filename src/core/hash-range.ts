import { webcrypto } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { createDigester, type Digest } from './digest.js';
import { throwIfAborted } from './errors.js';
import type { Abortable } from './store.js';

/** Largest run that is read whole and hashed on another thread: 16 MiB. Larger ones stream by on this one. */
const WHOLE_BYTES = 16 * 1024 * 1024;
/** Bytes of one read of a run that streams by. */
const READ_BYTES = 1024 * 1024;

/**
 * Runs that are hashed at the same time, each in at most 16 MiB of memory. Handing one to another thread costs a third
 * more of processor time in all, so with fewer than four processors everything streams by on this one.
 */
export const HASH_LANES = availableParallelism() < 4 ? 1 : 3;

/** Options of {@link hashRange}. */
export interface HashRangeOptions extends Abortable {
  /** Told of bytes as they are read. */
  readonly onBytes?: (bytes: number) => void;
}

/** Fills a buffer from a place of a file; how many bytes there were. */
async function fill(file: FileHandle, buffer: Buffer, position: number): Promise<number> {
  let done = 0;
  while (done < buffer.length) {
    const { bytesRead } = await file.read(buffer, done, buffer.length - done, position + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return done;
}

/**
 * The digest of a run of a file's bytes. Several may be computed at the same time: those of up to 16 MiB are hashed on
 * threads of their own.
 *
 * @returns undefined if the file ends before the run does
 * @throws ModelkeepError `CANCELLED` when the signal fires; what reading says
 */
export async function hashRange(
  file: FileHandle,
  start: number,
  size: number,
  { signal, onBytes }: HashRangeOptions = {},
): Promise<Digest | undefined> {
  throwIfAborted(signal);
  if (size > WHOLE_BYTES)
    return hashStream(file, start, size, { ...(signal && { signal }), ...(onBytes && { onBytes }) });
  const buffer = Buffer.allocUnsafeSlow(size);
  if ((await fill(file, buffer, start)) < size) return undefined;
  throwIfAborted(signal);
  onBytes?.(size);
  return `sha256:${Buffer.from(await webcrypto.subtle.digest('SHA-256', buffer)).toString('hex')}`;
}

/** Buffers that no run needs now: fresh memory costs as much as reading into it. */
const spare: Buffer[] = [];

/** One part is read while the one before it is hashed. */
async function hashStream(
  file: FileHandle,
  start: number,
  size: number,
  { signal, onBytes }: HashRangeOptions,
): Promise<Digest | undefined> {
  const digester = createDigester();
  const buffers = [
    spare.pop() ?? Buffer.allocUnsafeSlow(READ_BYTES),
    spare.pop() ?? Buffer.allocUnsafeSlow(READ_BYTES),
  ];
  const readAt = async (at: number): Promise<Buffer> => {
    const buffer = buffers[(at / READ_BYTES) % 2] ?? Buffer.alloc(READ_BYTES);
    const part = buffer.subarray(0, Math.min(READ_BYTES, size - at));
    return part.subarray(0, await fill(file, part, start + at));
  };
  let reading = readAt(0);
  try {
    for (let at = 0; at < size; at += READ_BYTES) {
      const part = await reading;
      throwIfAborted(signal);
      if (part.length < Math.min(READ_BYTES, size - at)) return undefined;
      if (at + READ_BYTES < size) reading = readAt(at + READ_BYTES);
      digester.update(part);
      onBytes?.(part.length);
    }
    return digester.finish();
  } finally {
    // A read that is still under way writes into its buffer.
    await Promise.allSettled([reading]);
    spare.push(...buffers);
  }
}
