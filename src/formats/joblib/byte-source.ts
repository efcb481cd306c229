import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { ModelkeepError } from '../../core/index.js';

/** Bytes read from the disk at once. */
const WINDOW_BYTES = 256 * 1024;

/** Bytes that are read from the front to the back, or skipped, in bounded memory. */
export interface ByteSource {
  /** Bytes taken so far. */
  readonly position: number;
  /** The next `count` bytes. @throws ModelkeepError `INVALID_ARTIFACT` if there are fewer */
  take(count: number): Buffer;
  /** Passes over `count` bytes. @throws ModelkeepError `INVALID_ARTIFACT` if there are fewer */
  skip(count: number): void;
}

function endsTooEarly(name: string, size: number): ModelkeepError {
  return new ModelkeepError(
    'INVALID_ARTIFACT',
    `${name} ends after ${size} bytes, in the middle of a pickle. Save the model again with joblib.dump`,
  );
}

/** Bytes in memory. */
export function bufferSource(bytes: Buffer, name: string): ByteSource {
  let position = 0;
  const advance = (count: number): void => {
    if (count > bytes.byteLength - position) throw endsTooEarly(name, bytes.byteLength);
    position += count;
  };
  return {
    get position() {
      return position;
    },
    take(count) {
      advance(count);
      return bytes.subarray(position - count, position);
    },
    skip: advance,
  };
}

/** Calls `work` with the bytes of a file, which is closed when it returns. */
export function withFileSource<T>(path: string, name: string, work: (source: ByteSource) => T): T {
  const handle = openSync(path, 'r');
  try {
    const { size } = fstatSync(handle);
    let position = 0;
    let window: Buffer = Buffer.alloc(0);
    let windowAt = 0;
    const check = (count: number): void => {
      if (count > size - position) throw endsTooEarly(name, size);
    };
    const fill = (count: number): void => {
      const wanted = Math.min(Math.max(count, WINDOW_BYTES), size - position);
      const next = Buffer.allocUnsafe(wanted);
      let filled = 0;
      while (filled < wanted) {
        const read = readSync(handle, next, filled, wanted - filled, position + filled);
        if (read === 0) throw endsTooEarly(name, position + filled);
        filled += read;
      }
      window = next;
      windowAt = position;
    };
    return work({
      get position() {
        return position;
      },
      take(count) {
        check(count);
        if (position < windowAt || position + count > windowAt + window.byteLength) fill(count);
        const at = position - windowAt;
        position += count;
        return window.subarray(at, at + count);
      },
      skip(count) {
        check(count);
        position += count;
      },
    });
  } finally {
    closeSync(handle);
  }
}
