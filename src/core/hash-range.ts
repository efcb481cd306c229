import { webcrypto } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { createDigester, type Digest } from './digest.js';
import { throwIfAborted } from './errors.js';
import { inLanes } from './lanes.js';
import type { Rest } from './rest.js';
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
  /** Told of bytes as they are read, in any order; they are there only until it returns. */
  readonly onPart?: (part: Buffer, position: number) => void;
  /** Awaited after each part. @defaultValue none is taken */
  readonly rest?: Rest;
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
 * The digest of a run of a file's bytes. Where there are several lanes, several may be computed at the same time: those
 * of up to 16 MiB are hashed on threads of their own.
 *
 * @returns undefined if the file ends before the run does
 * @throws ModelkeepError `CANCELLED` when the signal fires; what reading says
 */
export async function hashRange(
  file: FileHandle,
  start: number,
  size: number,
  options: HashRangeOptions = {},
): Promise<Digest | undefined> {
  throwIfAborted(options.signal);
  if (HASH_LANES === 1 || size > WHOLE_BYTES) return (await hashStream(file, start, [size], options))?.[0];
  const buffer = Buffer.allocUnsafeSlow(size);
  if ((await fill(file, buffer, start)) < size) return undefined;
  throwIfAborted(options.signal);
  options.onPart?.(buffer, start);
  const hash = await webcrypto.subtle.digest('SHA-256', buffer);
  await options.rest?.(options);
  return `sha256:${Buffer.from(hash).toString('hex')}`;
}

/**
 * The digests of runs that follow one another from the beginning of a file.
 *
 * @param sizes bytes of each run
 * @returns undefined if the file ends before the last run does
 * @throws ModelkeepError `CANCELLED` when the signal fires; what reading says
 */
export async function hashRuns(
  file: FileHandle,
  sizes: readonly number[],
  options: HashRangeOptions = {},
): Promise<readonly Digest[] | undefined> {
  if (HASH_LANES === 1) return hashStream(file, 0, sizes, options);
  let at = 0;
  const runs = sizes.map((size) => ({ start: at, size, end: (at += size) }));
  const digests = await inLanes(HASH_LANES, runs, ({ start, size }) => hashRange(file, start, size, options));
  const known = digests.filter((digest) => digest !== undefined);
  return known.length === sizes.length ? known : undefined;
}

/**
 * Buffers that no run needs now: fresh memory costs as much as reading into it. Held weakly, so that a server which hashes
 * no more gives them up with its next collection.
 */
let spare = new WeakRef<Buffer[]>([]);

function spareBuffer(): Buffer {
  return spare.deref()?.pop() ?? Buffer.allocUnsafeSlow(READ_BYTES);
}

function keepSpare(buffers: readonly Buffer[]): void {
  const kept = spare.deref();
  if (kept === undefined) spare = new WeakRef([...buffers]);
  else kept.push(...buffers);
}

/** The digests of runs that follow one another, from parts that are cut anywhere. */
function digestRuns(sizes: readonly number[]) {
  const digests: Digest[] = [];
  let digester = createDigester();
  const endRuns = (): void => {
    while (digests.length < sizes.length && digester.size === sizes[digests.length]) {
      digests.push(digester.finish());
      digester = createDigester();
    }
  };
  endRuns();
  return {
    digests,
    update(part: Buffer): void {
      for (let at = 0; at < part.length; endRuns()) {
        const next = part.subarray(at, at + (sizes[digests.length] ?? 0) - digester.size);
        digester.update(next);
        at += next.length;
      }
    },
  };
}

/** One part is read while the one before it is hashed, whichever runs they belong to. */
async function hashStream(
  file: FileHandle,
  start: number,
  sizes: readonly number[],
  { onPart, rest, ...abortable }: HashRangeOptions,
): Promise<readonly Digest[] | undefined> {
  const total = sizes.reduce((sum, size) => sum + size, 0);
  const runs = digestRuns(sizes);
  const buffers = [spareBuffer(), spareBuffer()];
  const readAt = async (at: number): Promise<Buffer> => {
    const buffer = buffers[(at / READ_BYTES) % 2] ?? Buffer.alloc(READ_BYTES);
    const part = buffer.subarray(0, Math.min(READ_BYTES, total - at));
    return part.subarray(0, await fill(file, part, start + at));
  };
  let reading = readAt(0);
  try {
    for (let at = 0; at < total; at += READ_BYTES) {
      const part = await reading;
      throwIfAborted(abortable.signal);
      if (part.length < Math.min(READ_BYTES, total - at)) return undefined;
      if (at + READ_BYTES < total) reading = readAt(at + READ_BYTES);
      runs.update(part);
      onPart?.(part, start + at);
      await rest?.(abortable);
    }
    return runs.digests;
  } finally {
    // A read that is still under way writes into its buffer.
    await Promise.allSettled([reading]);
    keepSpare(buffers);
  }
}
