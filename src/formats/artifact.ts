import type { Format, VersionFiles } from '../core/index.js';
import { openDirectoryFiles } from './version-files.js';

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
  /** The task, where it was given. */
  readonly task?: string;
  /** Absolute path of the folder that holds the files. */
  readonly directory: string;
  /** Sorted by path. */
  readonly files: readonly ArtifactFile[];
  /** What is odd about the model but does not forbid it, as sentences. */
  readonly warnings: readonly string[];
}

/** Reads an artifact's files. @throws ModelkeepError `INVALID_ARTIFACT` if one is gone */
export function filesOf(artifact: Artifact): VersionFiles {
  return openDirectoryFiles(
    artifact.directory,
    artifact.files.map(({ path }) => path),
  );
}
