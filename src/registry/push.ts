import { createReadStream } from 'node:fs';
import {
  asModelkeepError,
  checkModelName,
  contentSize,
  ModelkeepError,
  type Abortable,
  type ContentSource,
  type Format,
  type PublishResult,
  type TransferProgress,
  type VersionStore,
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
import { detectTask, openTask } from '../tasks/index.js';

/** What a push is doing: `inspect` reads and checks the files, `hash` cuts them, `send` stores what is missing. */
export type PushPhase = 'inspect' | 'hash' | 'send';

/** Options of {@link push}. */
export interface PushOptions extends Abortable {
  /** The model's name. */
  readonly name: string;
  /** The format, where it is not to be found out. */
  readonly format?: Format;
  /** The task, where it is not to be found out. */
  readonly task?: string;
  /**
   * Of a pickled model: a file of `name==version` lines, which names the Python environment that the version runs in.
   * The version is then no single file any more, as plain scripts read it.
   */
  readonly requirements?: string;
  /** Why, in the publisher's words. */
  readonly message?: string;
  /** Who publishes. */
  readonly by?: string;
  /** The version it was made from. */
  readonly parent?: string;
  readonly metadata?: Readonly<Record<string, unknown>>;
  /** Make a new version even if the newest has the same contents. @defaultValue false */
  readonly force?: boolean;
  /** Called often while it works; must not throw. */
  readonly onProgress?: (phase: PushPhase, progress: TransferProgress) => void;
}

/** What a push did. */
export interface Pushed extends PublishResult {
  /** Bytes of all files of the version. */
  readonly totalBytes: number;
  /** What is odd about the model but does not forbid it. */
  readonly warnings: readonly string[];
}

/**
 * Publishes a directory or file as the next version of a model: reads and checks it, cuts it into segments, and sends
 * what the store does not have yet.
 *
 * @param path a directory as training left it, or a single file
 * @throws ModelkeepError `INVALID_REFERENCE` for the name, `INVALID_ARTIFACT` or `UNSUPPORTED_FORMAT` for the files
 * (nothing is stored then), and what the store says
 */
export async function push(store: VersionStore, path: string, options: PushOptions): Promise<Pushed> {
  const { signal, onProgress, by, message, parent, metadata, force } = options;
  const model = checkModelName(options.name);
  const found = await inspectArtifact(path, {
    ...(options.format === undefined ? {} : { format: options.format }),
    ...(options.task === undefined ? {} : { task: options.task }),
    ...(options.requirements === undefined ? {} : { requirements: options.requirements }),
  });
  onProgress?.('inspect', { doneBytes: 0, totalBytes: found.files.reduce((sum, { size }) => sum + size, 0) });
  await validateArtifact(found);
  const artifact = await withTask(found);
  const pickle = scanIfPickled(artifact);
  const abortable = signal === undefined ? {} : { signal };
  const manifest = await buildManifest(artifact, {
    ...abortable,
    onProgress: (progress) => onProgress?.('hash', progress),
  });
  const draft = {
    model,
    manifest,
    ...(by === undefined ? {} : { publishedBy: by }),
    ...(message === undefined ? {} : { message }),
    ...(parent === undefined ? {} : { parent }),
    ...(metadata === undefined && pickle === undefined ? {} : { metadata: { ...metadata, ...(pickle && { pickle }) } }),
    ...(force === undefined ? {} : { force }),
  };
  const sending = { ...abortable, onProgress: (progress: TransferProgress) => onProgress?.('send', progress) };
  const result = await store.publish(draft, sourceOf(artifact), sending);
  return { ...result, totalBytes: contentSize(manifest), warnings: [...artifact.warnings, ...pickleWarnings(pickle)] };
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
function sourceOf(artifact: Artifact): ContentSource {
  const absolute = new Map(artifact.files.map(({ path, absolutePath }) => [path, absolutePath]));
  return {
    async *open(path, { start, end }, { signal } = {}) {
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
