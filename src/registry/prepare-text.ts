import { lstatSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileError, ModelkeepError, type Abortable } from '../core/index.js';
import {
  checkTextChoices,
  parseTextChoices,
  TEXT_FILE,
  type Artifact,
  type PoolingName,
  type TextChoices,
  type Validated,
} from '../formats/index.js';
import { tryGraph, type CheckedText } from '../runners/index.js';

/** How a version is to be asked with text, where its own files do not say it or are to be overruled. */
export interface TextOptions {
  /** Names of the outputs of an ONNX graph that the task reads; of question-answering the start and the end. */
  readonly outputs?: readonly string[] | undefined;
  /** How the vectors of tokens become one vector. @defaultValue what `modules.json` says, else `mean` */
  readonly pooling?: PoolingName | undefined;
  /** Whether vectors get length 1. @defaultValue what `modules.json` says, else false */
  readonly normalize?: boolean | undefined;
}

/** Most bytes of a file of choices, which has a handful of short values. */
const MAX_BYTES = 64 * 1024;

/** Tasks whose answers are vectors that pooling decides. */
const POOLED: ReadonlySet<string> = new Set(['sentence-embeddings', 'sentence-similarity']);

/** Two texts of different lengths, as people write. */
export const SAMPLE_TEXTS: readonly string[] = Object.freeze([
  'A cat sleeps on the mat, and 2 of its friends watch the birds outside.',
  'Good morning!',
]);

/**
 * Adds the publisher's choices to an artifact: those of the options, before those that a pulled version has in its folder.
 *
 * @param path what is published
 * @param folder gives a folder for the file that is written
 * @param below choices of the version that an adapter was trained on, which hold where no other is made
 * @throws ModelkeepError `INVALID_INPUT` for choices that the format cannot have; `INVALID_ARTIFACT` for a damaged file
 */
export function addTextChoices(
  artifact: Artifact,
  path: string,
  options: TextOptions,
  folder: () => string,
  below: TextChoices = {},
): Artifact {
  const { outputs, pooling, normalize } = options;
  const given = Object.entries({ outputs, pooling, normalize }).filter(([, value]) => value !== undefined);
  if (artifact.format === 'joblib' && given[0] !== undefined) {
    throw wrong(given[0][0], 'is for models that take text, and a pickled model takes numbers');
  }
  if (artifact.format === 'hf' && outputs !== undefined) {
    throw wrong('output', 'is for ONNX models; of a checkpoint the task decides what is read');
  }
  const choices = checkTextChoices({ ...below, ...pulledChoices(path), ...Object.fromEntries(given) });
  return withChoices(artifact, choices, folder);
}

function wrong(option: string, why: string): ModelkeepError {
  return new ModelkeepError('INVALID_INPUT', `--${option} ${why}`, { details: { field: option } });
}

/** The choices that a pulled version has in its folder. */
function pulledChoices(path: string): TextChoices {
  if (!statSync(path).isDirectory()) return {};
  const file = join(path, TEXT_FILE);
  const stat = lstatSync(file, { throwIfNoEntry: false });
  if (stat?.isFile() !== true) return {};
  if (stat.size > MAX_BYTES) {
    throw new ModelkeepError('INVALID_ARTIFACT', `${TEXT_FILE} has ${stat.size} bytes, at most ${MAX_BYTES} are read`);
  }
  try {
    return parseTextChoices(readFileSync(file));
  } catch (error) {
    throw error instanceof ModelkeepError ? error : fileError(error, `Cannot read ${file}`, 'make it readable');
  }
}

/** Writes the file of choices anew; none where there are none. */
function withChoices(artifact: Artifact, choices: TextChoices, folder: () => string): Artifact {
  const others = artifact.files.filter(({ path }) => path !== TEXT_FILE);
  if (Object.keys(choices).length === 0) return { ...artifact, files: others };
  const sorted = Object.fromEntries(Object.entries(choices).toSorted(([a], [b]) => (a < b ? -1 : 1)));
  const text = `${JSON.stringify(sorted, undefined, 2)}\n`;
  const absolutePath = join(folder(), 'text.json');
  writeFileSync(absolutePath, text);
  const file = { path: TEXT_FILE, absolutePath, size: Buffer.byteLength(text) };
  return { ...artifact, files: [...others, file].toSorted((a, b) => (a.path < b.path ? -1 : 1)) };
}

/** An artifact whose graph answered some texts. */
export interface Tried {
  readonly artifact: Artifact;
  readonly text: CheckedText;
  readonly trial: { readonly reads: readonly string[]; readonly width?: number | undefined };
}

/** A graph and the text that it is asked with. */
export interface TextGraph {
  readonly graph: NonNullable<Validated['graph']>;
  readonly task: string;
  readonly text: CheckedText;
}

/**
 * Runs an ONNX graph on a few texts, and keeps what that showed beside the publisher's choices.
 *
 * @throws ModelkeepError as `tryGraph`; `INVALID_ARTIFACT` for labels that are not as many as the graph gives
 */
export async function triedArtifact(
  artifact: Artifact,
  { graph, task, text }: TextGraph,
  folder: () => string,
  options: Abortable,
): Promise<Tried> {
  const choices = choicesOf(artifact);
  const { padId, padLeft, firstPosition, samples } = text;
  const maxTokens = Number.isFinite(text.maxTokens) ? text.maxTokens : undefined;
  const asked = {
    task,
    choices,
    padId,
    padLeft,
    maxTokens,
    firstPosition,
    saysPooling: saysPooling(artifact),
    encodings: samples,
  };
  const { found, reads, width, role } = await tryGraph(graph.path, graph.plan, asked, options);
  checkLabels(text, { task, width, path: graph.path });
  if (role === 'sentence_embedding' && choices.pooling !== undefined) {
    throw wrong('pooling', `has nothing to do: ${graph.path} gives one vector a text, ${reads.join(', ')}`);
  }
  const notes = [
    ...(found.outputs === undefined
      ? []
      : [`By the dimensions of its outputs ${task} reads ${reads.join(' and ')}; --output names another`]),
    ...(found.maxTokens === undefined
      ? []
      : [
          `${maxTokens === undefined ? 'No file says how long a text may be' : `Its files say that a text may have ${maxTokens} tokens`}, ` +
            `and ${graph.path} takes ${found.maxTokens}, which is the limit`,
        ]),
    ...(role === 'sentence_embedding' ? [] : poolingNotes(artifact, task)),
  ];
  const tried = withChoices(artifact, { ...choices, ...found }, folder);
  const maxFound = found.maxTokens ?? Number.POSITIVE_INFINITY;
  return {
    artifact: { ...tried, warnings: [...artifact.warnings, ...notes] },
    text: { ...text, maxTokens: Math.min(text.maxTokens, maxFound) },
    trial: { reads, width },
  };
}

function choicesOf({ files }: Artifact): TextChoices {
  const file = files.find(({ path }) => path === TEXT_FILE);
  return file === undefined ? {} : parseTextChoices(readFileSync(file.absolutePath));
}

function checkLabels(
  { facts }: CheckedText,
  { task, width, path }: { readonly task: string; readonly width: number | undefined; readonly path: string },
): void {
  const { labels } = facts;
  const isLabelled = [
    'text-classification',
    'token-classification',
    'zero-shot-classification',
    'text-ranking',
  ].includes(task);
  if (!isLabelled || labels === undefined || width === undefined || labels.length === width) return;
  throw new ModelkeepError(
    'INVALID_ARTIFACT',
    `config.json names ${labels.length} labels (id2label), but ${path} gives ${width} numbers. Publish it with the ` +
      'config.json that it was exported with',
  );
}

function saysPooling(artifact: Artifact): boolean {
  return choicesOf(artifact).pooling !== undefined || artifact.files.some(({ path }) => path === 'modules.json');
}

/** Says that vectors are pooled by default, where nothing of the model says how. */
export function poolingNotes(artifact: Artifact, task: string | undefined): readonly string[] {
  const { normalize } = choicesOf(artifact);
  if (saysPooling(artifact) || task === undefined || !POOLED.has(task)) return [];
  return [
    `No modules.json says how the vectors of tokens become one: it is their mean, ${normalize === true ? 'with' : 'without'} ` +
      'length 1. --pooling and --normalize say otherwise',
  ];
}
