import type { Digest } from './digest.js';
import type { Abortable } from './store.js';

/** A place in a file on this machine. */
export interface FileSpan {
  /** Absolute path. */
  readonly file: string;
  /** First byte, counted from the beginning of that file. */
  readonly offset: number;
  /** Of a file that is named by it: the digest of the whole file. */
  readonly digest?: Digest;
}

/**
 * The files of one version on this machine, wherever their bytes lie: a directory as training left it, or segments in
 * the node's cache. What reads models (formats, tasks, runners) reads them through this.
 */
export interface VersionFiles {
  /** Paths of all files, sorted. */
  readonly paths: readonly string[];
  /** Bytes of a file; undefined if there is no such file. */
  size(path: string): number | undefined;
  /** A name that only files with the same bytes have; undefined where bytes have no digests, or for no file. */
  contentOf(path: string): string | undefined;
  /**
   * Bytes `start` (inclusive, default 0) to `end` (exclusive, default the file's end) of a file.
   *
   * @throws ModelkeepError `INVALID_ARTIFACT` if there is no such file or the range leaves it
   */
  read(path: string, range?: { readonly start?: number; readonly end?: number }, options?: Abortable): Promise<Buffer>;
  /**
   * Where the bytes `start` to `end` of a file lie in one piece, so that they can be mapped; undefined if they are
   * spread over several segments.
   */
  locate(path: string, start: number, end: number): FileSpan | undefined;
}
