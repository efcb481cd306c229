import { realpathSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve, sep } from 'node:path';
import { checkFilePath, fileError, ModelkeepError, type Format } from '../core/index.js';
import { ADAPTER_CONFIG_FILE } from './adapter/refusal.js';
import type { Artifact, ArtifactFile } from './artifact.js';
import { decides, isTokenizerFile, PICKLED, warningOf, summaryOf, type LeftOut } from './folder/file-kinds.js';
import { refusePointers } from './folder/lfs-pointer.js';
import { locateModel, type Located } from './folder/locate.js';
import { selectFiles } from './folder/select.js';
import { withFirstModuleInRoot } from './folder/first-module.js';
import { REQUIREMENTS_FILE } from './joblib/requirements.js';
import { listModelFiles } from './listing.js';
import { chooseGraph, tokenizerBeside, type ChosenGraph } from './onnx/model-path.js';
import { externalFilesOf } from './onnx/model-reader.js';
import { WEIGHTS_FILE, WEIGHTS_INDEX_FILE } from './shards.js';
import { openLocalFiles } from './version-files.js';

/** Options of {@link inspectArtifact}. */
export interface InspectOptions {
  /** The format, where it is not to be found out. */
  readonly format?: Format | undefined;
  /** The task, such as `text-classification`. */
  readonly task?: string | undefined;
  /** A file that names the Python packages of a pickled model; it becomes the version's `requirements.txt`. */
  readonly requirements?: string | undefined;
  /** Which checkpoint of a training run: its number or name, or `best`. @defaultValue the newest */
  readonly checkpoint?: string | undefined;
  /** Which of several `.onnx` files: its path in the folder. @defaultValue see `chooseGraph` */
  readonly file?: string | undefined;
  /**
   * Gives a temporary folder for files that are written anew; it must live until the files were read.
   *
   * @defaultValue layouts that need one are refused
   */
  readonly workspace?: (() => string) | undefined;
}

function invalid(message: string): ModelkeepError {
  return new ModelkeepError('INVALID_ARTIFACT', message);
}

/**
 * Finds out what lies at a path and which of its files make a version. Reads no weights.
 *
 * @param path a directory as training, an export, MLflow or a download left it, or a single `.onnx`, `.joblib`, `.pkl`,
 * `.pickle` or `.skops` file
 * @throws ModelkeepError `INVALID_ARTIFACT` if there is no model, or several, naming what was looked for;
 * `UNSUPPORTED_FORMAT` for weights that would have to be unpickled, for layouts that are known and not served, or a format
 * other than the one asked for
 */
export async function inspectArtifact(path: string, options: InspectOptions = {}): Promise<Artifact> {
  const absolute = resolve(path);
  if (!isFolder(path, absolute)) return ofFile(absolute, { path: absolute, boundary: absolute, warnings: [] }, options);
  const located = await locateModel(absolute, options);
  if (!statSync(located.path).isDirectory()) return ofFile(located.path, located, options);
  return ofFolder(located, options);
}

function noWorkspace(): never {
  throw invalid('modules.json has to be written anew, and there is no place for it');
}

function isFolder(path: string, absolute: string): boolean {
  try {
    return statSync(absolute).isDirectory();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw invalid(`${path} does not exist. Check the path`);
    throw fileError(error, `Cannot read ${path}`, 'make it readable and publish again');
  }
}

function ofFile(path: string, located: Located, options: InspectOptions): Promise<Artifact> {
  return complete(located, [singleFile(path)], dirname(path), [], options);
}

async function ofFolder(located: Located, options: InspectOptions): Promise<Artifact> {
  const { path, boundary, tokenizer } = located;
  const listing = listModelFiles(path, boundary);
  const beside = tokenizer === undefined ? { files: [], leftOut: [] } : listModelFiles(tokenizer, boundary);
  const added = beside.files.filter((file) => isTokenizerFile(file.path));
  const replaced = new Set(added.map((file) => file.path));
  const merged = [...listing.files.filter((file) => !replaced.has(file.path)), ...added].toSorted(byPath);
  const files = withFirstModuleInRoot(merged, options.workspace ?? noWorkspace);
  refuseSetFit(path, files, options.task);
  return complete(located, files, realpathSync(path), listing.leftOut, options);
}

function byPath(a: ArtifactFile, b: ArtifactFile): number {
  return a.path < b.path ? -1 : 1;
}

/** Decides the format, and keeps what belongs to the model. */
async function complete(
  located: Located,
  found: readonly ArtifactFile[],
  directory: string,
  unlisted: readonly LeftOut[],
  options: InspectOptions,
): Promise<Artifact> {
  const { path, task, from } = located;
  const listed = options.requirements === undefined ? found : withRequirements(found, options.requirements);
  const graph = chosenGraph(listed, options);
  const format = formatOf(path, listed, unlisted, graph);
  if (options.format !== undefined && options.format !== format) {
    throw new ModelkeepError('UNSUPPORTED_FORMAT', `${path} holds the format ${format}, not ${options.format}`);
  }
  const { files, leftOut } = await belonging(format, directory, listed, graph?.path);
  refusePointers(files);
  const all = [...unlisted, ...leftOut].filter((one) => !files.some((file) => file.path === one.path));
  refuseBroken(all);
  return {
    format,
    directory,
    files,
    task: options.task ?? task,
    from,
    leftOut: summaryOf(all),
    warnings: [
      ...located.warnings,
      ...adapterWarning(format, files),
      ...(format === 'onnx' && graph?.warning !== undefined ? [graph.warning] : []),
      ...[warningOf(all) ?? []].flat(),
    ],
  };
}

function adapterWarning(format: Format, files: readonly ArtifactFile[]): readonly string[] {
  if (format !== 'hf' || !files.some(({ path }) => path === ADAPTER_CONFIG_FILE)) return [];
  return [`It has an adapter (${ADAPTER_CONFIG_FILE}) beside its weights, which is merged into them`];
}

/** The files of the model, with the external data of an ONNX model, whatever its files are called. */
async function belonging(
  format: Format,
  directory: string,
  listed: readonly ArtifactFile[],
  graphPath: string | undefined,
): Promise<{ readonly files: readonly ArtifactFile[]; readonly leftOut: readonly LeftOut[] }> {
  if (format === 'joblib') {
    const model = pickledModel(listed);
    const files = listed.filter((file) => file === model || file.path === REQUIREMENTS_FILE);
    const others = listed.filter((file) => !files.includes(file));
    return { files, leftOut: others.map(({ path }) => ({ path, why: 'not needed' })) };
  }
  if (format !== 'onnx' || graphPath === undefined) return selectFiles(listed, format, undefined);
  const graph = listed.filter((file) => file.path === graphPath);
  refusePointers(graph);
  const data = await externalFilesOf(openLocalFiles(graph), graphPath);
  const extra = [...data].filter((one) => !listed.some((file) => file.path === one));
  const files = [...listed, ...extra.map((one) => externalFile(directory, graphPath, one))].toSorted(byPath);
  return selectFiles(withTokenizerBeside(files, graphPath), format, { path: graphPath, data });
}

/** Takes `x-tokenizer.json` beside `x.onnx` for its tokenizer, where there is no other. */
function withTokenizerBeside(files: readonly ArtifactFile[], graph: string): readonly ArtifactFile[] {
  const beside = tokenizerBeside(
    graph,
    files.map(({ path }) => path),
  );
  if (beside === undefined || files.some(({ path }) => path === 'tokenizer.json')) return files;
  return files.map((file) => (file.path === beside ? { ...file, path: 'tokenizer.json' } : file)).toSorted(byPath);
}

/** The graph to publish, if there is one; of a folder with a checkpoint only where it is asked for. */
function chosenGraph(files: readonly ArtifactFile[], { file, format }: InspectOptions): ChosenGraph | undefined {
  const paths = files.map(({ path }) => path);
  const isAsked = file !== undefined || format === 'onnx';
  return isCheckpointFolder(new Set(paths)) && !isAsked ? undefined : chooseGraph(paths, file);
}

function isCheckpointFolder(paths: ReadonlySet<string>): boolean {
  const hasConfiguration = paths.has('config.json') || paths.has('modules.json');
  return hasConfiguration && (paths.has(WEIGHTS_FILE) || paths.has(WEIGHTS_INDEX_FILE));
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

/** What is broken about a file that decides what a version answers, and what to do about it. */
const BROKEN: Readonly<Partial<Record<LeftOut['why'], string>>> = {
  'link to nothing': 'is a link to nothing. Fetch the file that it stands for, or remove it, and publish again',
  'link out': 'is a link that leaves the folder. Copy the file into it and publish again',
  unreadable: 'cannot be read. Make it readable and publish again',
};

/** A version may not lose a file that it needs because it is broken. @throws ModelkeepError `INVALID_ARTIFACT` */
function refuseBroken(leftOut: readonly LeftOut[]): void {
  for (const { path, why } of leftOut) {
    const said = BROKEN[why];
    if (said !== undefined && decides(path)) throw invalid(`${path} ${said}`);
  }
}

/** A SetFit model answers by its head, which is a pickle; its body alone would answer something else. */
function refuseSetFit(path: string, files: readonly ArtifactFile[], task: string | undefined): void {
  const sign = files.find((file) => file.path === 'config_setfit.json' || /^model_head\.(pkl|joblib)$/.test(file.path));
  if (sign === undefined || task === 'sentence-embeddings' || task === 'feature-extraction') return;
  throw new ModelkeepError(
    'UNSUPPORTED_FORMAT',
    `${path} is a SetFit model (${sign.path}): its classifier is a pickled scikit-learn head, which is not served. ` +
      'Publish its body alone with --task sentence-embeddings',
  );
}

function withRequirements(files: readonly ArtifactFile[], requirements: string): readonly ArtifactFile[] {
  if (pickledModel(files) === undefined) {
    throw invalid(
      `${requirements} names Python packages, which only a single .joblib, .pkl, .pickle or .skops file has`,
    );
  }
  const absolutePath = resolve(requirements);
  const stat = statSync(absolutePath, { throwIfNoEntry: false });
  if (stat?.isFile() !== true) throw invalid(`${requirements} is no file. Check the path of the requirements`);
  const others = files.filter(({ path }) => path !== REQUIREMENTS_FILE);
  return [...others, { path: REQUIREMENTS_FILE, absolutePath, size: stat.size }].toSorted(byPath);
}

/** The only pickled model among files, in their folder itself. */
function pickledModel(files: readonly ArtifactFile[]): ArtifactFile | undefined {
  const [model, more] = files.filter(({ path }) => PICKLED.test(path) && !path.includes('/'));
  return more === undefined ? model : undefined;
}

function singleFile(absolutePath: string): ArtifactFile {
  const path = checkFilePath(basename(absolutePath));
  if (!path.endsWith('.onnx') && !PICKLED.test(path)) {
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
  files: readonly ArtifactFile[],
  leftOut: readonly LeftOut[],
  graph: ChosenGraph | undefined,
): Format {
  const paths = new Set(files.map(({ path }) => path));
  // A directory with a checkpoint and its export is a checkpoint, unless the export is asked for.
  if (graph !== undefined) return 'onnx';
  if (isCheckpointFolder(paths)) return 'hf';
  // A broken file says more than what its loss makes of the others.
  refuseBroken(leftOut);
  const hasConfiguration = paths.has('config.json') || paths.has('modules.json') || paths.has(ADAPTER_CONFIG_FILE);
  if (pickledModel(files) !== undefined && !hasConfiguration) return 'joblib';
  throw noModel(shown, paths, leftOut);
}

function noModel(shown: string, paths: ReadonlySet<string>, leftOut: readonly LeftOut[]): ModelkeepError {
  const names = (pattern: RegExp): readonly string[] => [...paths].filter((path) => pattern.test(path));
  const graphs = names(/\.onnx$/);
  const pickles = names(/^[^/]*\.(joblib|pkl|pickle|skops)$/);
  const weights = leftOut.find(({ path }) =>
    /^(pytorch_model.*\.bin|tf_model\.h5|flax_model\.msgpack)$/.test(path),
  )?.path;
  if (weights !== undefined) {
    const why = weights.endsWith('.bin') ? 'a pickle that can execute code' : 'weights of another framework';
    return new ModelkeepError(
      'UNSUPPORTED_FORMAT',
      `${shown} has its weights in ${weights}, ${why}. Save them as safetensors: ` +
        'model.save_pretrained(directory, safe_serialization=True)',
    );
  }
  if (paths.has(ADAPTER_CONFIG_FILE)) {
    return invalid(
      `${shown} holds an adapter, which needs the version that it was trained on: push it with --base, such as ` +
        '--base sentiment:3',
    );
  }
  if (graphs.length > 1)
    return invalid(
      `${shown} holds several ONNX models: ${graphs.join(', ')}. Choose one with --file, such as --file ${graphs[0]}`,
    );
  if (pickles.length > 1) {
    return invalid(`${shown} holds several models: ${pickles.join(', ')}. Publish one of these files by itself`);
  }
  if (paths.has(WEIGHTS_FILE)) return invalid(`${shown} has ${WEIGHTS_FILE} but no config.json. Save the model again`);
  if (paths.has('config.json') || paths.has('modules.json')) {
    return invalid(`${shown} has a configuration but no weights: neither ${WEIGHTS_FILE} nor ${WEIGHTS_INDEX_FILE}`);
  }
  return invalid(
    `${shown} holds no model: looked for config.json with ${WEIGHTS_FILE} or ${WEIGHTS_INDEX_FILE}, ` +
      'for model.onnx or a single .onnx file, and for a single .joblib, .pkl, .pickle or .skops file, alone or with requirements.txt',
  );
}
