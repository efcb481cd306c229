import { open } from 'node:fs/promises';
import {
  createDigester,
  fileError,
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

/** Bytes read at once: large enough that reading costs little beside hashing. */
const READ_BYTES = 4 * 1024 * 1024;

/** Options of {@link buildManifest}. */
export interface BuildManifestOptions extends Abortable {
  /** The precision to serve the version in. @defaultValue 'fp32' */
  readonly precision?: Precision;
  /** Called after each read; must not throw. */
  readonly onProgress?: (progress: TransferProgress) => void;
}

/**
 * Cuts and hashes the files of an artifact. Each file is read once, in order.
 *
 * @throws ModelkeepError `INVALID_ARTIFACT` if a file is damaged or changes while it is read; `CANCELLED`
 */
export async function buildManifest(artifact: Artifact, options: BuildManifestOptions = {}): Promise<Manifest> {
  const totalBytes = artifact.files.reduce((sum, { size }) => sum + size, 0);
  const source = filesOf(artifact);
  const buffer = Buffer.allocUnsafe(READ_BYTES);
  let doneBytes = 0;
  const onBytes = (bytes: number): void => {
    doneBytes += bytes;
    options.onProgress?.({ doneBytes, totalBytes });
  };
  const files: ManifestFile[] = [];
  for (const file of artifact.files) {
    throwIfAborted(options.signal);
    const cuts = await cutFile(source, file.path);
    files.push({ path: file.path, size: file.size, segments: await hashFile(file, cuts, buffer, onBytes, options) });
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
  buffer: Buffer,
  onBytes: (bytes: number) => void,
  { signal }: Abortable,
): Promise<readonly Segment[]> {
  const changed = (): ModelkeepError =>
    new ModelkeepError('INVALID_ARTIFACT', `${path} changed while it was read. Publish when training has ended`);
  const segments: Segment[] = [];
  let handle;
  try {
    handle = await open(absolutePath, 'r');
    for (const cut of cuts) {
      const digester = createDigester();
      while (digester.size < cut) {
        throwIfAborted(signal);
        const { bytesRead } = await handle.read(buffer, 0, Math.min(READ_BYTES, cut - digester.size));
        if (bytesRead === 0) throw changed();
        digester.update(buffer.subarray(0, bytesRead));
        onBytes(bytesRead);
      }
      segments.push({ digest: digester.finish(), size: cut });
    }
    if ((await handle.stat()).size !== size) throw changed();
  } catch (error) {
    throw fileError(error, `Cannot read ${absolutePath}`, 'make it readable and publish again');
  } finally {
    await handle?.close();
  }
  return segments;
}
