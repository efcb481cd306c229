import { createReadStream } from 'node:fs';
import {
  asModelkeepError,
  ModelkeepError,
  type Abortable,
  type ContentSource,
  type Manifest,
  type TransferProgress,
} from '../core/index.js';
import {
  buildManifest,
  inspectArtifact,
  openDirectoryFiles,
  REQUIREMENTS_FILE,
  scanPickle,
  validateArtifact,
  type Artifact,
  type PickleReport,
} from '../formats/index.js';
import { checkGraph } from '../runners/index.js';
import { detectTask, openTask } from '../tasks/index.js';
import type { PushOptions } from './push.js';

/** A version that was read and checked, and can be sent. */
export interface Prepared {
  readonly manifest: Manifest;
  readonly source: ContentSource;
  /** What is odd about the model but does not forbid it, as sentences; kept with the version. */
  readonly warnings: readonly string[];
  /** Facts that are kept with the version, beside those of its publisher. */
  readonly metadata: Readonly<Record<string, unknown>>;
}

/**
 * Reads and checks a directory or file, and cuts it.
 *
 * @throws ModelkeepError `INVALID_ARTIFACT` or `UNSUPPORTED_FORMAT` for the files
 */
export async function prepareFiles(path: string, options: PushOptions): Promise<Prepared> {
  const { signal, onProgress, format, task, requirements, allowCustomOperators } = options;
  const abortable = signal === undefined ? {} : { signal };
  const found = await inspectArtifact(path, {
    ...(format === undefined ? {} : { format }),
    ...(task === undefined ? {} : { task }),
    ...(requirements === undefined ? {} : { requirements }),
  });
  onProgress?.('inspect', { doneBytes: 0, totalBytes: found.files.reduce((sum, { size }) => sum + size, 0) });
  const validated = await validateArtifact(found, allowCustomOperators === undefined ? {} : { allowCustomOperators });
  if (validated.graph !== undefined) await checkGraph(validated.graph.path, validated.graph.plan, abortable);
  const artifact = await withTask(found);
  const pickle = scanIfPickled(artifact);
  const manifest = await buildManifest(artifact, {
    ...abortable,
    onProgress: (progress: TransferProgress) => onProgress?.('hash', progress),
  });
  return {
    manifest,
    source: sourceOf(artifact),
    warnings: [...artifact.warnings, ...validated.warnings, ...pickleWarnings(pickle)],
    metadata: pickle === undefined ? {} : { pickle },
  };
}

/** What a pickled model would import, read without executing it. @throws ModelkeepError `INVALID_ARTIFACT` for no pickle */
function scanIfPickled({ format, files }: Artifact): PickleReport | undefined {
  const file = files.find(({ path }) => path !== REQUIREMENTS_FILE);
  return format === 'joblib' && file !== undefined ? scanPickle(file.absolutePath, file.path) : undefined;
}

function pickleWarnings(pickle: PickleReport | undefined): readonly string[] {
  if (pickle === undefined) return [];
  const { unsafeGlobals, incompleteWhy } = pickle;
  return [
    ...(unsafeGlobals.length === 0
      ? []
      : [`it imports ${unsafeGlobals.join(', ')}: it is loaded only by nodes started with --allow-pickle=any`]),
    ...(incompleteWhy === undefined ? [] : [`what it imports is not known in full: ${incompleteWhy}`]),
  ];
}

/** Finds the task, if none was named, and opens it once, so that a tokenizer that cannot be used is met here. */
async function withTask(artifact: Artifact): Promise<Artifact> {
  if (artifact.format === 'joblib') return artifact;
  const files = openDirectoryFiles(
    artifact.directory,
    artifact.files.map((file) => file.path),
  );
  const task = artifact.task ?? (await detectTask(files));
  if (task === undefined) return artifact;
  try {
    await openTask(files, { task });
    return { ...artifact, task };
  } catch (error) {
    // A model without a tokenizer still takes tensors, unless its publisher asked for a task.
    if (artifact.task !== undefined || !(error instanceof ModelkeepError) || error.code !== 'UNSUPPORTED_FORMAT')
      throw error;
    return { ...artifact, warnings: [...artifact.warnings, `it takes tensors only: ${error.message}`] };
  }
}

/** Reads an artifact's files for a store. */
export function sourceOf(artifact: Artifact): ContentSource {
  const absolute = new Map(artifact.files.map(({ path, absolutePath }) => [path, absolutePath]));
  return {
    async *open(
      path: string,
      { start, end }: { readonly start: number; readonly end: number },
      { signal }: Abortable = {},
    ) {
      const file = absolute.get(path);
      if (file === undefined) throw asModelkeepError(new Error(`The artifact has no file "${path}"`));
      if (end <= start) return;
      const options = { start, end: end - 1, highWaterMark: 1024 * 1024, ...(signal === undefined ? {} : { signal }) };
      try {
        for await (const chunk of createReadStream(file, options)) yield chunk as Buffer;
      } catch (error) {
        throw asModelkeepError(error, 'INVALID_ARTIFACT');
      }
    },
  };
}
