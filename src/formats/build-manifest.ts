import { open, type FileHandle } from 'node:fs/promises';
import {
  fileError,
  hashRuns,
  ModelkeepError,
  throwIfAborted,
  type Abortable,
  type HashRangeOptions,
  type Manifest,
  type ManifestFile,
  type Precision,
  type Segment,
  type TransferProgress,
} from '../core/index.js';
import { filesOf, type Artifact, type ArtifactFile } from './artifact.js';
import { cutFile } from './cutting.js';
import { NumberWatch } from './number-watch.js';

/** Options of {@link buildManifest}. */
export interface BuildManifestOptions extends Abortable {
  /** The precision to serve the version in. @defaultValue 'fp32' */
  readonly precision?: Precision;
  /** Called after each read; must not throw. */
  readonly onProgress?: (progress: TransferProgress) => void;
  /** Told of what is odd about the numbers of a weight file, once it was read. */
  readonly onWarning?: (sentence: string) => void;
}

/**
 * Cuts and hashes the files of an artifact, and looks at the numbers of its weights on the way. Each file is read once.
 *
 * @throws ModelkeepError `INVALID_ARTIFACT` if a file is damaged or changes while it is read; `CANCELLED`
 */
export async function buildManifest(artifact: Artifact, options: BuildManifestOptions = {}): Promise<Manifest> {
  const totalBytes = artifact.files.reduce((sum, { size }) => sum + size, 0);
  const source = filesOf(artifact);
  let doneBytes = 0;
  const files: ManifestFile[] = [];
  for (const file of artifact.files) {
    throwIfAborted(options.signal);
    const { sizes, tensors } = await cutFile(source, file.path);
    const watch = tensors === undefined ? undefined : new NumberWatch(file.path, tensors.values());
    const onPart = (part: Buffer, position: number): void => {
      watch?.see(part, position);
      doneBytes += part.length;
      options.onProgress?.({ doneBytes, totalBytes });
    };
    const segments = await hashFile(file, sizes, { ...options, onPart });
    files.push({ path: file.path, size: file.size, segments });
    for (const warning of watch?.warnings ?? []) options.onWarning?.(warning);
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
  { signal, onPart }: HashRangeOptions,
): Promise<readonly Segment[]> {
  const changed = (): ModelkeepError =>
    new ModelkeepError('INVALID_ARTIFACT', `${path} changed while it was read. Publish when training has ended`);
  let handle: FileHandle | undefined;
  try {
    const file = await open(absolutePath, 'r');
    handle = file;
    const digests = await hashRuns(file, cuts, { ...(signal && { signal }), ...(onPart && { onPart }) });
    if (digests === undefined) throw changed();
    if ((await file.stat()).size !== size) throw changed();
    return digests.map((digest, index) => ({ digest, size: cuts[index] ?? 0 }));
  } catch (error) {
    throw fileError(error, `Cannot read ${absolutePath}`, 'make it readable and publish again');
  } finally {
    await handle?.close();
  }
}
