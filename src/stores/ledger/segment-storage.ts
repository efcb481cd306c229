import type { Digest, Segment } from '../../core/index.js';

/** Where the bytes of segments lie, for a store that keeps its metadata in a ledger. */
export interface SegmentStorage {
  /**
   * True if the segment is stored whole, so that a damaged one is written anew when somebody publishes it again: its
   * bytes are read and hashed, unless a mark on the file tells that nothing has written to it since that was done.
   */
  has(segment: Segment, signal: AbortSignal): Promise<boolean>;
  /** Stores a segment whole or not at all; the bytes have been checked when `bytes` ends normally. */
  write(segment: Segment, bytes: AsyncIterable<Uint8Array>): Promise<void>;
  /** Makes these segments durable, those that were there already included: somebody else may just have written them. */
  settle(segments: readonly Segment[]): Promise<void>;
  /**
   * Bytes from `start` (counted in bytes) as they lie there, unchecked; undefined if the segment is missing.
   *
   * @param passing the memory of a part may be used again when the next is asked for
   */
  read(segment: Segment, start: number, passing: boolean): Promise<AsyncIterable<Uint8Array> | undefined>;
  /** Takes down that reading a segment found it damaged: {@link has} looks at its bytes the next time. */
  distrust?(segment: Segment): Promise<void>;
  /** The file of a segment, where there is one. */
  file?(segment: Segment): Promise<string | undefined>;
  /** What is stored, with the sizes that it has there. */
  list(signal: AbortSignal): AsyncIterable<Segment>;
  /** Removes a segment, if it is there, before it returns: called within a transaction of the ledger. */
  removeSync(digest: Digest): void;
  /** Gives back what reads that nobody ended still hold. */
  close(): Promise<void>;
}
