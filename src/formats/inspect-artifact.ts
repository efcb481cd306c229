import { readdirSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve, sep } from 'node:path';
import {
  checkFilePath,
  fileError,
  ModelkeepError,
  type DeriveTensor,
  type Format,
  type VersionFiles,
} from '../core/index.js';
import { ADAPTER_CONFIG_FILE } from './adapter/lora-config.js';
import { filesOf, type Artifact, type ArtifactFile } from './artifact.js';
import { readRequirements, REQUIREMENTS_FILE } from './joblib/requirements.js';
import { listModelFiles } from './listing.js';
import { onnxModelPath } from './onnx/model-path.js';
import { externalFilesOf } from './onnx/model-reader.js';
import { planSession } from './plan-session.js';
import type { PlanFacts, SessionPlan } from './session-plan.js';
import { WEIGHTS_FILE, WEIGHTS_INDEX_FILE } from './shards.js';
import { checkTokenizer } from './tokenizer-check.js';
import { openDirectoryFiles } from './version-files.js';

/** Options of {@link inspectArtifact}. */
export interface InspectOptions {
  /** The format, where it is not to be found out. */
  readonly format?: Format;
  /** The task, such as `text-classification`. */
  readonly task?: string;
  /** A file that names the Python packages of a pickled model; it becomes the version's `requirements.txt`. */
  readonly requirements?: string;
}

const JOBLIB = /\.(joblib|pkl|pickle|skops)$/;

function invalid(message: string): ModelkeepError {
  return new ModelkeepError('INVALID_ARTIFACT', message);
}

/**
 * Finds out what lies at a path and which of its files make a version. Reads no weights.
 *
 * @param path a directory as training or an export left it, or a single `.onnx`, `.joblib`, `.pkl`, `.pickle`
 * or `.skops` file; or a directory with one of the latter and `requirements.txt`
 * @throws ModelkeepError `INVALID_ARTIFACT` if there is no model, naming what was looked for; `UNSUPPORTED_FORMAT` for
 * weights that would have to be unpickled, or a format other than the one asked for
 */
export async function inspectArtifact(path: string, options: InspectOptions = {}): Promise<Artifact> {
  const absolute = resolve(path);
  let isDirectory: boolean;
  try {
    isDirectory = statSync(absolute).isDirectory();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw invalid(`${path} does not exist. Check the path`);
    throw fileError(error, `Cannot read ${path}`, 'make it readable and publish again');
  }
  const found = isDirectory ? listModelFiles(absolute) : [singleFile(absolute)];
  const listed = options.requirements === undefined ? found : withRequirements(found, options.requirements);
  const format = formatOf(path, absolute, isDirectory, listed, options.format);
  if (options.format !== undefined && options.format !== format) {
    throw new ModelkeepError('UNSUPPORTED_FORMAT', `${path} holds the format ${format}, not ${options.format}`);
  }
  const directory = isDirectory ? realpathSync(absolute) : dirname(absolute);
  const files = await completeFiles(format, directory, listed);
  const base = { format, directory, files, warnings: warningsOf(format, files) };
  return options.task === undefined ? base : { ...base, task: options.task };
}

function warningsOf(format: Format, files: readonly ArtifactFile[]): readonly string[] {
  if (format !== 'hf' || !files.some(({ path }) => path === ADAPTER_CONFIG_FILE)) return [];
  return [`It has an adapter (${ADAPTER_CONFIG_FILE}) beside its weights, which is merged into them`];
}

/** Leaves out a checkpoint's exports, and adds the external data of an ONNX model, whatever its files are called. */
async function completeFiles(
  format: Format,
  directory: string,
  listed: readonly ArtifactFile[],
): Promise<readonly ArtifactFile[]> {
  if (format === 'hf') return listed.filter(({ path }) => !/\.onnx([._]data)?$/.test(path));
  const model = onnxModelPath(listed.map(({ path }) => path));
  if (format !== 'onnx' || model === undefined) return listed;
  const wanted = await externalFilesOf(openDirectoryFiles(directory, [model]), model);
  const extra = [...wanted].filter((path) => !listed.some((file) => file.path === path));
  const added = extra.map((path) => externalFile(directory, model, path));
  return [...listed, ...added].toSorted((a, b) => (a.path < b.path ? -1 : 1));
}

function externalFile(directory: string, model: string, path: string): ArtifactFile {
  const absolutePath = join(directory, path);
  const stat = statSync(absolutePath, { throwIfNoEntry: false });
  if (stat?.isFile() !== true) throw invalid(`${model} has its data in ${path}, which is missing. Export it again`);
  if (!realpathSync(absolutePath).startsWith(`${realpathSync(directory)}${sep}`)) {
    throw invalid(`${path} is a link that leaves the model's folder. Copy the file into it and publish again`);
  }
  return { path, absolutePath, size: stat.size };
}

function withRequirements(files: readonly ArtifactFile[], requirements: string): readonly ArtifactFile[] {
  if (modelOfPickle(files) === undefined) {
    throw invalid(
      `${requirements} names Python packages, which only a single .joblib, .pkl, .pickle or .skops file has`,
    );
  }
  const absolutePath = resolve(requirements);
  const stat = statSync(absolutePath, { throwIfNoEntry: false });
  if (stat?.isFile() !== true) throw invalid(`${requirements} is no file. Check the path of the requirements`);
  const others = files.filter(({ path }) => path !== REQUIREMENTS_FILE);
  return [...others, { path: REQUIREMENTS_FILE, absolutePath, size: stat.size }].toSorted((a, b) =>
    a.path < b.path ? -1 : 1,
  );
}

/** The pickled model among files that are nothing else but it and the packages it wants. */
function modelOfPickle(files: readonly ArtifactFile[]): ArtifactFile | undefined {
  const [model, more] = files.filter(({ path }) => path !== REQUIREMENTS_FILE);
  return more === undefined && model !== undefined && JOBLIB.test(model.path) ? model : undefined;
}

function singleFile(absolutePath: string): ArtifactFile {
  const path = checkFilePath(basename(absolutePath));
  if (!path.endsWith('.onnx') && !JOBLIB.test(path)) {
    throw invalid(
      `${path} is no model file: publish the directory that holds config.json, or an .onnx, .joblib, .pkl, .pickle or .skops file`,
    );
  }
  const { size } = statSync(absolutePath);
  if (size === 0) throw invalid(`${path} is empty. Save the model again`);
  return { path, absolutePath, size };
}

function formatOf(
  shown: string,
  absolute: string,
  isDirectory: boolean,
  files: readonly ArtifactFile[],
  wanted: Format | undefined,
): Format {
  const paths = new Set(files.map(({ path }) => path));
  // A directory with a checkpoint and its export is a checkpoint, unless the export is asked for.
  if (wanted === 'onnx' && onnxModelPath([...paths]) !== undefined) return 'onnx';
  if (paths.has('config.json') && (paths.has(WEIGHTS_FILE) || paths.has(WEIGHTS_INDEX_FILE))) return 'hf';
  if (onnxModelPath([...paths]) !== undefined) return 'onnx';
  if (modelOfPickle(files) !== undefined) return 'joblib';
  const names = isDirectory ? readdirSync(absolute) : [];
  if (names.some((name) => /^pytorch_model.*\.bin$/.test(name))) {
    throw new ModelkeepError(
      'UNSUPPORTED_FORMAT',
      `${shown} has its weights in pytorch_model.bin, a pickle that can execute code. Save them as safetensors: ` +
        'model.save_pretrained(directory, safe_serialization=True)',
    );
  }
  if (paths.has(ADAPTER_CONFIG_FILE)) {
    throw invalid(
      `${shown} holds an adapter, which needs the version that it was trained on: push it with --base, such as ` +
        '--base sentiment:3',
    );
  }
  if (paths.has(WEIGHTS_FILE)) throw invalid(`${shown} has ${WEIGHTS_FILE} but no config.json. Save the model again`);
  throw invalid(
    `${shown} holds no model: looked for config.json with ${WEIGHTS_FILE} or ${WEIGHTS_INDEX_FILE}, ` +
      'for model.onnx or a single .onnx file, and for a single .joblib, .pkl, .pickle or .skops file, alone or with requirements.txt',
  );
}

/** What {@link validateArtifact} found. */
export interface Validated {
  /** The ONNX graph that the runtime is to open once; absent for other formats, and where custom operators forbid it. */
  readonly graph?: { readonly path: string; readonly plan: SessionPlan };
  /** What was understood of a checkpoint; absent for other formats. */
  readonly facts?: PlanFacts | undefined;
  /** What is odd about the model but does not forbid it, as sentences. */
  readonly warnings: readonly string[];
}

/** Options of {@link validateArtifact}. */
export interface ValidateOptions {
  /** Take ONNX files with operators that the runtime does not have. @defaultValue false */
  readonly allowCustomOperators?: boolean | undefined;
  /** See `PlanOptions`. */
  readonly derive?: DeriveTensor | undefined;
  /** See `PlanOptions`. */
  readonly task?: string | undefined;
}

/**
 * Checks at publish what would otherwise fail at the first request: everything that a session plan reads, and that the
 * tokenizer gives no ids beyond the embedding table. Pickled models are not opened, but the packages that they name are
 * checked.
 *
 * @throws ModelkeepError as `planSession`
 */
export async function validateArtifact(artifact: Artifact, options: ValidateOptions = {}): Promise<Validated> {
  return validateFiles(filesOf(artifact), artifact.format, options);
}

/** {@link validateArtifact} for files wherever they lie. @throws ModelkeepError as `planSession` */
export async function validateFiles(
  files: VersionFiles,
  format: Format,
  options: ValidateOptions = {},
): Promise<Validated> {
  if (format === 'joblib') {
    await readRequirements(files);
    return { warnings: [] };
  }
  const custom = new Set<string>();
  const note = ({ op, domain }: { readonly op: string; readonly domain: string }): void =>
    void custom.add(`${domain}:${op}`);
  const { allowCustomOperators, derive, task } = options;
  const onCustomOperator = allowCustomOperators === true ? note : undefined;
  const plan = await planSession(files, { task, derive, onCustomOperator });
  const { facts } = plan;
  await checkTokenizer(files);
  if (custom.size > 0) {
    const names = [...custom].toSorted().join(', ');
    return { facts, warnings: [`It uses custom operators (${names}), so modelkeep keeps it but cannot serve it`] };
  }
  const path = format === 'onnx' ? onnxModelPath(files.paths) : undefined;
  return path === undefined ? { facts, warnings: [] } : { graph: { path, plan }, facts, warnings: [] };
}
