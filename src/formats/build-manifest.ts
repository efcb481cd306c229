import { open, type FileHandle } from 'node:fs/promises';
import {
  fileError,
  HASH_LANES,
  hashRange,
  inLanes,
  ModelkeepError,
  throwIfAborted,
  type Abortable,
  type Manifest,
  type ManifestFile,
  type Precision,
  type Segment,
  type TransferProgress,
} from '../core/index.js';
import { filesOf, type Artifact, type ArtifactFile } from './artifact.js';
import { cutFile } from './cutting.js';

/** Options of {@link buildManifest}. */
export interface BuildManifestOptions extends Abortable {
  /** The precision to serve the version in. @defaultValue 'fp32' */
  readonly precision?: Precision;
  /** Called after each read; must not throw. */
  readonly onProgress?: (progress: TransferProgress) => void;
}

/**
 * Cuts and hashes the files of an artifact. Each file is read once, in a few places at the same time.
 *
 * @throws ModelkeepError `INVALID_ARTIFACT` if a file is damaged or changes while it is read; `CANCELLED`
 */
export async function buildManifest(artifact: Artifact, options: BuildManifestOptions = {}): Promise<Manifest> {
  const totalBytes = artifact.files.reduce((sum, { size }) => sum + size, 0);
  const source = filesOf(artifact);
  let doneBytes = 0;
  const onBytes = (bytes: number): void => {
    doneBytes += bytes;
    options.onProgress?.({ doneBytes, totalBytes });
  };
  const files: ManifestFile[] = [];
  for (const file of artifact.files) {
    throwIfAborted(options.signal);
    const cuts = await cutFile(source, file.path);
    files.push({ path: file.path, size: file.size, segments: await hashFile(file, cuts, onBytes, options) });
  }
  const { format, task } = artifact;
  const sorted = files.toSorted((a, b) => (a.path < b.path ? -1 : 1));
  const { precision = 'fp32' } = options;
  return {
    schema: 1,
    format,
    ...(task === undefined ? {} : { task }),
    ...(precision === 'fp32' ? {} : { precision }),
    files: sorted,
  };
}

async function hashFile(
  { path, absolutePath, size }: ArtifactFile,
  cuts: readonly number[],
  onBytes: (bytes: number) => void,
  { signal }: Abortable,
): Promise<readonly Segment[]> {
  const changed = (): ModelkeepError =>
    new ModelkeepError('INVALID_ARTIFACT', `${path} changed while it was read. Publish when training has ended`);
  let handle: FileHandle | undefined;
  try {
    const file = await open(absolutePath, 'r');
    handle = file;
    let at = 0;
    const runs = cuts.map((cut) => ({ start: at, size: cut, end: (at += cut) }));
    const segments = await inLanes(HASH_LANES, runs, async (run): Promise<Segment> => {
      const digest = await hashRange(file, run.start, run.size, {
        onBytes,
        ...(signal === undefined ? {} : { signal }),
      });
      if (digest === undefined) throw changed();
      return { digest, size: run.size };
    });
    if ((await file.stat()).size !== size) throw changed();
    return segments;
  } catch (error) {
    throw fileError(error, `Cannot read ${absolutePath}`, 'make it readable and publish again');
  } finally {
    await handle?.close();
  }
}
