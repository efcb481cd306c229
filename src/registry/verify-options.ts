import type { Abortable, Digest, Reference, TransferProgress } from '../core/index.js';
import type { Finding } from './finding.js';
import type { SegmentSource } from './repair.js';

/** Options of `verify`. */
export interface VerifyOptions extends Abortable {
  /** Only this version. @defaultValue the whole store */
  readonly reference?: Reference;
  /** Read and hash every byte, instead of asking the store what it holds. @defaultValue false */
  readonly deep?: boolean;
  /** Mend what can be mended from `sources`. @defaultValue false */
  readonly repair?: boolean;
  /** Where whole copies of segments may be found, in the order in which they are asked. */
  readonly sources?: readonly SegmentSource[];
  /** Segments that are read at once. @defaultValue 2 */
  readonly concurrency?: number;
  /** Bytes a second that are read at the most. @defaultValue no bound */
  readonly bytesPerSecond?: number;
  /** Segments that an earlier run found good; those that this one finds good are added. @defaultValue none */
  readonly verified?: { has(digest: Digest): boolean; add(digest: Digest): void };
  readonly onProgress?: (progress: TransferProgress) => void;
  /**
   * Write into the history of versions what was found: of each one with problems, mended or not, and of the one that
   * `reference` names where every byte was read. @defaultValue false
   */
  readonly record?: boolean;
  /** Who verifies, for the history. */
  readonly by?: string;
}

/** What `verify` found. */
export interface Verified {
  readonly deep: boolean;
  readonly versions: number;
  readonly segments: number;
  /** Bytes that were read and hashed. */
  readonly readBytes: number;
  /** Bytes of segments that an earlier run had found good. */
  readonly skippedBytes: number;
  readonly findings: readonly Finding[];
  /** Findings that something has to be done about and that were not mended. */
  readonly problems: number;
  /** Why the history does not tell of it although it should; absent: it does. */
  readonly notRecorded?: string;
}
