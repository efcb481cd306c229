import { realpathSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { ModelkeepError } from '../../core/index.js';
import type { Artifact, ArtifactFile } from '../artifact.js';
import { isTokenizerFile, summaryOf, warningOf } from '../folder/file-kinds.js';
import { refusePointers } from '../folder/lfs-pointer.js';
import { locateModel, type Located, type LocateOptions } from '../folder/locate.js';
import { listModelFiles } from '../listing.js';
import { WEIGHTS_FILE, WEIGHTS_INDEX_FILE } from '../shards.js';
import { ADAPTER_CONFIG_FILE } from './refusal.js';

function invalid(message: string): ModelkeepError {
  return new ModelkeepError('INVALID_ARTIFACT', message);
}

/** Folders below one that hold adapters: `save_pretrained` makes one for each adapter that is not called `default`. */
function adapterFolders(files: readonly ArtifactFile[]): readonly string[] {
  const suffix = `/${ADAPTER_CONFIG_FILE}`;
  return files.flatMap(({ path }) => (path.endsWith(suffix) ? [path.slice(0, -suffix.length)] : []));
}

/** What was saved beside a folder of an adapter and belongs to it: its tokenizer, and the labels of its head. */
function besideOf({ path, boundary, tokenizer }: Located, own: readonly ArtifactFile[]): readonly ArtifactFile[] {
  const taken = new Set(own.map((file) => file.path));
  const above = path === boundary || taken.has('config.json') ? [] : listModelFiles(dirname(path), boundary).files;
  const config = above.filter((file) => file.path === 'config.json');
  const found = tokenizer === undefined ? [] : listModelFiles(tokenizer, boundary).files;
  const ofTokenizer = found.filter((file) => isTokenizerFile(file.path) && !taken.has(file.path));
  return [...config, ...ofTokenizer];
}

/**
 * Finds the files of a PEFT adapter: in the folder that was named, in a checkpoint of a training run, a snapshot of a
 * Hugging Face cache, or the only folder of an adapter below it. Reads no weights but to look for numbers that are none.
 *
 * @param path the directory that `save_pretrained` of an adapted model made, or one that holds it
 * @throws ModelkeepError `INVALID_ARTIFACT` if there is no adapter, or several, or a whole model beside it; `INVALID_INPUT`
 * for a checkpoint that is not there
 */
export async function inspectAdapter(path: string, options: LocateOptions = {}): Promise<Artifact> {
  const absolute = resolve(path);
  if (statSync(absolute, { throwIfNoEntry: false })?.isDirectory() !== true)
    throw invalid(`${path} is no directory. An adapter is the directory that holds ${ADAPTER_CONFIG_FILE}`);
  const located = await locateModel(absolute, options);
  const where = located.path === located.boundary ? path : located.path;
  if (!statSync(located.path).isDirectory()) throw noAdapter(where);
  const { files: listed, leftOut } = listModelFiles(located.path, located.boundary);
  if (!listed.some((file) => file.path === ADAPTER_CONFIG_FILE)) throw noAdapter(where);
  const others = adapterFolders(listed);
  const own = listed.filter((file) => !others.some((other) => file.path.startsWith(`${other}/`)));
  const whole = [WEIGHTS_FILE, WEIGHTS_INDEX_FILE].find((name) => own.some((file) => file.path === name));
  if (whole !== undefined)
    throw invalid(
      `${where} has an adapter and, in ${whole}, a whole model. Publish one of them from a folder of its own`,
    );
  refusePointers(own);
  const said = others.length === 0 ? [] : [`Left out: the other adapters ${others.slice(0, 10).join(', ')}`];
  return {
    format: 'hf',
    directory: realpathSync(located.path),
    files: [...own, ...besideOf(located, own)].toSorted((a, b) => (a.path < b.path ? -1 : 1)),
    task: located.task,
    from: located.from,
    leftOut: summaryOf(leftOut),
    warnings: [...located.warnings, ...said, ...[warningOf(leftOut) ?? []].flat()],
  };
}

function noAdapter(path: string): ModelkeepError {
  return invalid(
    `${path} has no ${ADAPTER_CONFIG_FILE}, so it is no adapter. Publish it without --base, or name the folder of the ` +
      `adapter, such as ${join(path, 'adapter')}`,
  );
}
