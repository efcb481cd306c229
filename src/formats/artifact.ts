import type { Format, VersionFiles } from '../core/index.js';
import { openLocalFiles } from './version-files.js';

/** A file that will be part of a version. */
export interface ArtifactFile {
  /** Path in the version. */
  readonly path: string;
  /** Path on this machine. */
  readonly absolutePath: string;
  /** Bytes. */
  readonly size: number;
}

/** What is to be published: files on this machine, and how they are to be understood. */
export interface Artifact {
  readonly format: Format;
  /** The task, where it was given, or its maker wrote it down. */
  readonly task?: string | undefined;
  /** Where in what was named the model was found, such as `checkpoint-900, the newest of 2`; absent: there itself. */
  readonly from?: string | undefined;
  /** What of the folder is no part of the version, shortly; absent: nothing. */
  readonly leftOut?: readonly string[];
  /** Absolute path of the folder that holds the files, but for a `requirements.txt` that was named by itself. */
  readonly directory: string;
  /** Sorted by path. */
  readonly files: readonly ArtifactFile[];
  /** What is odd about the model but does not forbid it, as sentences. */
  readonly warnings: readonly string[];
}

/** Reads an artifact's files; reading one that is gone is `INVALID_ARTIFACT`. */
export function filesOf(artifact: Artifact): VersionFiles {
  return openLocalFiles(artifact.files);
}
