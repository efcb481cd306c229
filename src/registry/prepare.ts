import { createReadStream } from 'node:fs';
import {
  asModelkeepError,
  checkPrecision,
  ModelkeepError,
  type Abortable,
  type ContentSource,
  type Manifest,
  type Precision,
  type TransferProgress,
  type VersionFiles,
} from '../core/index.js';
import {
  buildManifest,
  inspectArtifact,
  openLocalFiles,
  readSentenceModel,
  readStaticModel,
  readTrainingFacts,
  REQUIREMENTS_FILE,
  scanModelFile,
  validateArtifact,
  type Artifact,
  type PickleReport,
  type Validated,
} from '../formats/index.js';
import { checkGraph, checkText, type CheckedText } from '../runners/index.js';
import { detectTask, hasVocabulary, taskOfGraph, TASK_NAMES } from '../tasks/index.js';
import { addEvidence, examplesOf } from './evidence.js';
import { addTextChoices, poolingNotes, SAMPLE_TEXTS, triedArtifact, type Tried } from './prepare-text.js';
import { understoodOf, type Understood } from './understood.js';
import { openPath, type OpenedPath } from './open-path.js';
import type { PushOptions } from './push.js';
import { Workspace } from './workspace.js';

/** A version that was read and checked, and can be sent. */
export interface Prepared {
  readonly manifest: Manifest;
  readonly source: ContentSource;
  /** What is odd about the model but does not forbid it, as sentences; kept with the version. */
  readonly warnings: readonly string[];
  /** What the directory tells of how it was trained; the publisher may say otherwise. */
  readonly facts: Readonly<Record<string, unknown>>;
  /** What was found out of it, whatever its publisher says. */
  readonly metadata: Readonly<Record<string, unknown>>;
  /** What was understood of it; absent for pickled models. */
  readonly understood?: Understood | undefined;
  /** The version that it was made from, where the publisher names none. */
  readonly parent?: string;
  /** Removes what was made on the way; to be called once the version is sent. */
  readonly discard: () => void;
}

/**
 * Reads and checks a directory, file or archive, and cuts it.
 *
 * @throws ModelkeepError `INVALID_ARTIFACT` or `UNSUPPORTED_FORMAT` for the files, `INVALID_INPUT` for the precision
 */
export async function prepareFiles(path: string, options: PushOptions): Promise<Prepared> {
  const workspace = new Workspace();
  let opened: OpenedPath | undefined;
  try {
    opened = await openPath(path, workspace, options.signal === undefined ? {} : { signal: options.signal });
    return { ...(await prepareOpened(opened.path, options, workspace)), discard: () => workspace[Symbol.dispose]() };
  } catch (error) {
    workspace[Symbol.dispose]();
    throw opened === undefined ? error : opened.named(error);
  }
}

async function prepareOpened(
  path: string,
  options: PushOptions,
  workspace: Workspace,
): Promise<Omit<Prepared, 'discard'>> {
  const { signal, onProgress, format, task, requirements, checkpoint, file, allowCustomOperators } = options;
  const abortable = signal === undefined ? {} : { signal };
  const found = await inspectArtifact(path, {
    format,
    task,
    requirements,
    checkpoint,
    file,
    workspace: () => workspace.folder(),
  });
  onProgress?.('inspect', { doneBytes: 0, totalBytes: found.files.reduce((sum, { size }) => sum + size, 0) });
  const check: CheckFor = (asked) => validateArtifact(found, { allowCustomOperators, task: asked });
  const folder = (): string => workspace.folder();
  const evident = addTextChoices(addEvidence(found, path, options), path, options, folder);
  const { validated, text, ...asked } = await withTask(evident, check, abortable);
  const { artifact, ...tried } = await checkRuns(asked, { validated, text }, folder, abortable);
  const precision = await precisionFor(artifact, options.precision);
  const understood = understoodOf({ artifact, precision, ...validated, text, ...tried });
  const pickle = await scanIfPickled(artifact);
  const { warnings: unread, ...facts } = await readTrainingFacts(artifact);
  const numbers: string[] = [];
  const manifest = await buildManifest(artifact, {
    ...abortable,
    precision,
    onProgress: (progress: TransferProgress) => onProgress?.('hash', progress),
    onWarning: (sentence) => numbers.push(sentence),
  });
  return {
    manifest,
    source: sourceOf(artifact),
    warnings: [...artifact.warnings, ...numbers, ...validated.warnings, ...unread, ...pickleWarnings(pickle)],
    facts,
    metadata: pickle === undefined ? { understood } : { pickle },
    understood: pickle === undefined ? understood : undefined,
  };
}

/** Has the runtime open the graph of an export and, where it takes texts, answer some. */
async function checkRuns(
  artifact: Artifact,
  { validated: { graph }, text }: Pick<FoundTask, 'text' | 'validated'>,
  folder: () => string,
  options: Abortable,
): Promise<Pick<Tried, 'artifact'> & Partial<Tried>> {
  const { task } = artifact;
  if (artifact.format === 'onnx' && graph !== undefined && text !== undefined && task !== undefined) {
    return triedArtifact(artifact, { graph, task, text }, folder, options);
  }
  if (graph !== undefined) await checkGraph(graph.path, graph.plan, options);
  const notes = artifact.format === 'hf' ? poolingNotes(artifact, task) : [];
  return { artifact: { ...artifact, warnings: [...artifact.warnings, ...notes] } };
}

/** @throws ModelkeepError `INVALID_INPUT` for another precision than there is, or than the format can have */
async function precisionFor({ format, files }: Artifact, chosen: Precision = 'fp32'): Promise<Precision> {
  const precision = checkPrecision(chosen);
  if (precision === 'fp32') return precision;
  const isStatic = format === 'hf' && (await readStaticModel(openLocalFiles(files))) !== undefined;
  if (format === 'hf' && !isStatic) return precision;
  const what = isStatic ? 'Static embeddings' : `A model of the format ${format}`;
  throw new ModelkeepError(
    'INVALID_INPUT',
    `${what} cannot be served in ${precision}: that is made from checkpoints (config.json and model.safetensors)`,
  );
}

/** What a pickled model or skops file would import, read without executing it. @throws ModelkeepError `INVALID_ARTIFACT` */
async function scanIfPickled({ format, files }: Artifact): Promise<PickleReport | undefined> {
  const file = files.find(({ path }) => path !== REQUIREMENTS_FILE);
  return format === 'joblib' && file !== undefined ? scanModelFile(file.absolutePath, file.path) : undefined;
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

async function withTask(
  artifact: Artifact,
  check: CheckFor,
  options: Abortable,
): Promise<Artifact & Pick<FoundTask, 'text' | 'validated'>> {
  if (artifact.format === 'joblib') return { ...artifact, validated: await check(artifact.task) };
  const { warnings, ...found } = await taskOf(artifact, openLocalFiles(artifact.files), check, options);
  return { ...artifact, ...found, warnings: [...artifact.warnings, ...warnings] };
}

/** Checks a version's files for a task; undefined for a version that takes tensors only. */
export type CheckFor = (task: string | undefined) => Promise<Validated>;

/** A version's task, and what is odd about it. */
interface FoundTask {
  readonly task?: string;
  /** What opening it showed; absent for a version that takes tensors only. */
  readonly text?: CheckedText | undefined;
  /** What checking the files for it found. */
  readonly validated: Validated;
  readonly warnings: readonly string[];
}

/**
 * Finds the task, if none was named, checks the files for it, and opens it once, so that a tokenizer that cannot be used
 * is met here, and examples that the task does not take.
 *
 * @param artifact what is published, with the files that say how it is checked
 * @param files all files of the version
 */
export async function taskOf(
  artifact: Artifact,
  files: VersionFiles,
  check: CheckFor,
  options: Abortable,
): Promise<FoundTask> {
  const { task: asked } = artifact;
  const detected = asked ?? (await detectTask(files));
  const validated = await check(detected);
  const outputs = artifact.format === 'onnx' ? (validated.graph?.plan.outputs ?? []) : [];
  const task = detected ?? taskOfGraph(files, outputs);
  const examples = examplesOf(artifact, task);
  if (task === undefined) return { validated, warnings: tensorsOnly(files) };
  try {
    const samples = artifact.format === 'onnx' ? SAMPLE_TEXTS : [];
    const text = await checkText(files, { task, requests: examples.requests, samples }, options);
    if (text.problem !== undefined) throw examples.blame(text.problem);
    return { task, text, validated, warnings: [] };
  } catch (error) {
    // A model without a tokenizer still takes tensors, unless its publisher asked for a task, or its files say what is to
    // be made of the graph's outputs.
    const isSaid = asked !== undefined || (await readSentenceModel(files)) !== undefined;
    if (isSaid || !(error instanceof ModelkeepError) || error.code !== 'UNSUPPORTED_FORMAT') throw error;
    examplesOf(artifact, undefined);
    return { validated: await check(undefined), warnings: [`it takes tensors only: ${error.message}`] };
  }
}

/** What to say of a version that has a tokenizer and no task. */
function tensorsOnly(files: VersionFiles): readonly string[] {
  if (!hasVocabulary(files)) return [];
  return [
    `it takes tensors only: it has a tokenizer, but nothing says its task. Publish it with --task, one of ${TASK_NAMES.join(', ')}`,
  ];
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
