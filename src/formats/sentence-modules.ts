import { ModelkeepError, type VersionFiles } from '../core/index.js';
import { readJson, readJsonValue } from './read-json.js';

/** File that lists the modules of a sentence-transformers model. */
const MODULES_FILE = 'modules.json';
/** File with what sentence-transformers knows of the model as a whole. */
export const SENTENCE_CONFIG_FILE = 'config_sentence_transformers.json';
/** Most modules that are read: several times the longest pipeline in use. */
const MAX_MODULES = 64;

/** A module of a sentence-transformers model. */
export interface SentenceModule {
  /** Its folder in the version; empty for the version's own. */
  readonly path: string;
  /** Its class as `modules.json` names it, such as `sentence_transformers.models.Pooling`. */
  readonly type: string;
  /** Name of its class, such as `Pooling`. Releases moved classes between packages, but kept their names. */
  readonly kind: string;
}

/** The modules of a sentence-transformers model, and which of the library's models they make. */
export interface SentenceModel {
  /** `SentenceTransformer`, `CrossEncoder`, `SparseEncoder` or another class of the library. */
  readonly modelType: string;
  readonly modules: readonly SentenceModule[];
  /** Contents of {@link SENTENCE_CONFIG_FILE}; empty if there is none. */
  readonly config: Readonly<Record<string, unknown>>;
}

function invalid(message: string): ModelkeepError {
  return new ModelkeepError('INVALID_ARTIFACT', `${message}. Save the model again`);
}

function moduleOf(entry: unknown, index: number): SentenceModule {
  const { path, type } = (entry ?? {}) as { path?: unknown; type?: unknown };
  const place = `${MODULES_FILE}: module ${index}`;
  if (typeof type !== 'string' || type === '') throw invalid(`${place} has no type`);
  if (typeof path !== 'string') throw invalid(`${place} (${type}) has no path`);
  const folder = path.replace(/^(\.\/)+|\/+$/g, '').replace(/^\.$/, '');
  if (folder.startsWith('/') || folder.split(/[/\\]/).includes('..')) {
    throw invalid(`${place} (${type}): path ${JSON.stringify(path)} leaves the model's folder`);
  }
  // As sentence-transformers since 6.0: any other class is code of somebody else.
  if (!type.startsWith('sentence_transformers.')) {
    throw new ModelkeepError(
      'UNSUPPORTED_FORMAT',
      `${place} is of the class ${type}, which is no part of sentence-transformers: its code would have to be run. ` +
        'Publish with --task feature-extraction for token vectors',
    );
  }
  return { path: folder, type, kind: type.slice(type.lastIndexOf('.') + 1) };
}

/**
 * Reads the modules of a sentence-transformers model; undefined for a version that has no `modules.json`.
 *
 * @throws ModelkeepError `INVALID_ARTIFACT` for a list that is none, `UNSUPPORTED_FORMAT` for classes of other packages
 */
export async function readSentenceModel(files: VersionFiles): Promise<SentenceModel | undefined> {
  if (files.size(MODULES_FILE) === undefined) return undefined;
  const json = await readJsonValue(files, MODULES_FILE);
  if (!Array.isArray(json) || json.length === 0) throw invalid(`${MODULES_FILE} is not a list of modules`);
  if (json.length > MAX_MODULES)
    throw invalid(`${MODULES_FILE} lists ${json.length} modules, at most ${MAX_MODULES} are read`);
  const config = files.size(SENTENCE_CONFIG_FILE) === undefined ? {} : await readJson(files, SENTENCE_CONFIG_FILE);
  return { modelType: modelTypeOf(config), modules: json.map(moduleOf), config };
}

function modelTypeOf(config: Readonly<Record<string, unknown>>): string {
  const type = config['model_type'] ?? 'SentenceTransformer';
  if (typeof type === 'string') return type;
  throw invalid(`${SENTENCE_CONFIG_FILE}: model_type is ${JSON.stringify(type)}, not the name of a class`);
}

/**
 * Reads the configuration of a module; undefined if it has none.
 *
 * @throws ModelkeepError `INVALID_ARTIFACT` if it is damaged
 */
export async function readModuleConfig(
  files: VersionFiles,
  { path }: SentenceModule,
): Promise<Readonly<Record<string, unknown>> | undefined> {
  const file = moduleFile(path, 'config.json');
  return files.size(file) === undefined ? undefined : readJson(files, file);
}

/** A file of a module. */
export function moduleFile(folder: string, name: string): string {
  return folder === '' ? name : `${folder}/${name}`;
}
