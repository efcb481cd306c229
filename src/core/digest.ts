import { createHash } from 'node:crypto';

/** The address of bytes: `sha256:` and 64 lower-case hexadecimal digits. */
export type Digest = `sha256:${string}`;

const DIGEST = /^sha256:[0-9a-f]{64}$/;

/** True if `value` is a well-formed {@link Digest}. */
export function isDigest(value: unknown): value is Digest {
  return typeof value === 'string' && DIGEST.test(value);
}

/** The digest of bytes that are in memory. */
export function digestOf(bytes: Uint8Array | string): Digest {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

/** The 64 hexadecimal digits of a digest: its name as a file. */
export function digestHex(digest: Digest): string {
  return digest.slice('sha256:'.length);
}

/** The first 12 hexadecimal digits: enough to tell versions apart by eye. */
export function shortDigest(digest: Digest): string {
  return digestHex(digest).slice(0, 12);
}

/** A digest in the making, for bytes that stream by. */
export interface Digester {
  /** Bytes seen so far. */
  readonly size: number;
  /** Takes the next bytes. */
  update(bytes: Uint8Array): void;
  /** Ends the stream; the digester cannot be used afterwards. */
  finish(): Digest;
}

/** Starts a {@link Digester}. */
export function createDigester(): Digester {
  const hash = createHash('sha256');
  let size = 0;
  return {
    get size() {
      return size;
    },
    update(bytes) {
      size += bytes.byteLength;
      hash.update(bytes);
    },
    finish: () => `sha256:${hash.digest('hex')}`,
  };
}
