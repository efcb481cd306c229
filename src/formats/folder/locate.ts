import { readdirSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { checkFilePath, ModelkeepError } from '../../core/index.js';
import { archivesIn, candidatesBelow, folderKind, isThere, type Candidate, type FolderKind } from './candidates.js';
import { chooseCheckpoint } from './checkpoints.js';
import { holdsTokenizer } from './file-kinds.js';
import { chooseSnapshot } from './hub-cache.js';
import { readMlflow } from './mlflow.js';

/** Options of {@link locateModel}. */
export interface LocateOptions {
  /** Which checkpoint of a training run: its number or name, or `best`. @defaultValue the newest */
  readonly checkpoint?: string | undefined;
}

/** Where the model in a folder lies. */
export interface Located {
  /** The folder of the model, absolute; of a model that is one file, that file. */
  readonly path: string;
  /** A folder whose tokenizer files belong to it, absolute. */
  readonly tokenizer?: string | undefined;
  /** The folder that was named: links inside of it are followed. */
  readonly boundary: string;
  /** How it was found, where it is not the folder that was named, such as `checkpoint-900, the newest of 2`. */
  readonly from?: string | undefined;
  /** The task that its maker wrote down. */
  readonly task?: string | undefined;
  /** What its publisher may not expect, as sentences. */
  readonly warnings: readonly string[];
}

/** How many layers are looked through: an MLflow model in a training run in a snapshot … */
const MAX_LAYERS = 6;

/**
 * Finds the model in a folder as it lies on disk: the folder itself, a snapshot of a Hugging Face cache, an MLflow
 * model, a checkpoint of a training run, or the only model below it. Reads no model.
 *
 * @throws ModelkeepError `INVALID_ARTIFACT` if there is none, or several, listing them; `INVALID_INPUT` for a
 * checkpoint that is not there; `UNSUPPORTED_FORMAT` for a layout that is named and not read
 */
export async function locateModel(folder: string, options: LocateOptions = {}): Promise<Located> {
  const boundary = resolve(folder);
  const warnings: string[] = [];
  let at: Located = { path: boundary, boundary, warnings };
  for (let layer = 0; layer < MAX_LAYERS; layer += 1) {
    const next = await lookInside(at, options);
    if (next === undefined) return withTokenizer(at);
    warnings.push(...(next.warnings ?? []));
    const { path = at.path, tokenizer = at.tokenizer, task = at.task } = next;
    at = { path, tokenizer, task, boundary, from: joined(at.from, next.from), warnings };
    if (statSync(at.path, { throwIfNoEntry: false })?.isFile() === true) return at;
  }
  return withTokenizer(at);
}

function joined(outer: string | undefined, inner: string | undefined): string | undefined {
  return outer === undefined ? inner : inner === undefined ? outer : `${outer}; ${inner}`;
}

/** The next folder to look into; undefined if it is this one. */
async function lookInside(at: Located, { checkpoint }: LocateOptions): Promise<Partial<Located> | undefined> {
  const { path } = at;
  const kind = folderKind(path);
  const isRun = kind === 'training run' || (checkpoint !== undefined && path === at.boundary);
  if (isRun && kind !== 'MLflow model' && kind !== 'Hugging Face cache') {
    const { name, which, warning } = chooseCheckpoint(path, checkpoint);
    return { path: join(path, name), from: `${name}, ${which}`, warnings: warning === undefined ? [] : [warning] };
  }
  if (kind === 'Hugging Face cache') {
    const { directory, which } = chooseSnapshot(path);
    return { path: directory, from: which };
  }
  if (kind === 'MLflow model') return insideMlflow(path);
  if (kind === 'pickled model') {
    const { found } = candidatesBelow(path);
    const others = found.filter((one) => one.kind !== 'pickled model' && one.kind !== 'weights of another framework');
    if (others.length > 0) throw several(path, [{ path: '.', kind }, ...others]);
  }
  return kind === undefined ? insideOnly(at) : undefined;
}

async function insideMlflow(directory: string): Promise<Partial<Located>> {
  const { model, tokenizer, task, flavor } = await readMlflow(directory);
  const path = join(directory, checkFilePath(model));
  if (!isThere(path))
    throw new ModelkeepError('INVALID_ARTIFACT', `MLmodel says that the model lies in ${model}, which is missing`);
  const own = tokenizer === undefined ? undefined : join(directory, tokenizer);
  if (own !== undefined && !isThere(own)) {
    throw new ModelkeepError(
      'INVALID_ARTIFACT',
      `MLmodel: components has tokenizer, but ${tokenizer} is missing. Copy the whole directory and publish again`,
    );
  }
  return { path, tokenizer: own, task, from: `${model} of an MLflow model (${flavor})` };
}

/** The only model below a folder. */
function insideOnly({ path }: Located): Partial<Located> {
  const { found, complete } = candidatesBelow(path);
  const usable = found.filter(({ kind }) => kind !== 'weights of another framework');
  const [only, more] = usable.length > 0 ? usable : found;
  if (only === undefined) throw none(path);
  if (more !== undefined || !complete) throw several(path, usable.length > 0 ? usable : found);
  return { path: join(path, only.path), from: only.path };
}

/** How many models are listed. */
const LISTED = 10;

function several(folder: string, found: readonly Candidate[]): ModelkeepError {
  const shown = found.slice(0, LISTED).map(({ path, kind }) => `${path} (${kind satisfies FolderKind})`);
  const more = found.length > LISTED ? ` and ${found.length - LISTED} more` : '';
  return new ModelkeepError(
    'INVALID_ARTIFACT',
    `${folder} holds several models, not one: ${shown.join(', ')}${more}. Publish one of them, such as ` +
      join(folder, found[0]?.path ?? ''),
  );
}

function none(folder: string): ModelkeepError {
  const [archive] = archivesIn(folder);
  const hint = archive === undefined ? '' : `. ${archive} may hold one: publish ${join(folder, archive)}`;
  const names = readdirSync(folder).length === 0 ? ': the folder is empty' : '';
  return new ModelkeepError(
    'INVALID_ARTIFACT',
    `${folder} holds no model${names}: looked, there and in its subfolders, for config.json with model.safetensors or ` +
      `its shards, for .onnx files, and for .joblib, .pkl, .pickle or .skops files${hint}`,
  );
}

/** Adds the tokenizer that was saved beside the model, where the model's folder has none. */
function withTokenizer(located: Located): Located {
  const { path, boundary, tokenizer, from } = located;
  if (tokenizer !== undefined || holdsTokenizer(namesOf(path)) || folderKind(path) === 'pickled model') return located;
  for (let folder = path; folder === boundary || folder.startsWith(`${boundary}${sep}`); folder = dirname(folder)) {
    const places = [join(folder, 'tokenizer'), join(folder, 'components', 'tokenizer')];
    const found = (folder === path ? places : [folder, ...places]).find((place) => holdsTokenizer(namesOf(place)));
    if (found === undefined) continue;
    const said = `tokenizer from ${relative(boundary, found) || 'the folder above'}`;
    return { ...located, tokenizer: found, from: joined(from, said) };
  }
  return located;
}

function namesOf(folder: string): readonly string[] {
  return statSync(folder, { throwIfNoEntry: false })?.isDirectory() === true ? readdirSync(folder) : [];
}
