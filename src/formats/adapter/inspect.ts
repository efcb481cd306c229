import { realpathSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { ModelkeepError } from '../../core/index.js';
import type { Artifact, ArtifactFile } from '../artifact.js';
import { summaryOf, warningOf } from '../folder/file-kinds.js';
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

/** Which folder holds the adapter: the one that was named, or the only one below it. */
function chooseFolder(shown: string, files: readonly ArtifactFile[]): string {
  if (files.some(({ path }) => path === ADAPTER_CONFIG_FILE)) return '';
  const folders = adapterFolders(files);
  const [only, more] = folders;
  if (only === undefined)
    throw invalid(`${shown} has no ${ADAPTER_CONFIG_FILE}, so it is no adapter. Publish it without --base`);
  if (more === undefined) return only;
  throw invalid(
    `${shown} holds several adapters: ${folders.slice(0, 10).join(', ')}. Publish one of them, such as ${join(shown, only)}`,
  );
}

/** The files of one adapter: those of its folder, and beside it those that belong to no other adapter. */
function filesOf(files: readonly ArtifactFile[], folder: string): readonly ArtifactFile[] {
  const others = adapterFolders(files).filter((other) => other !== folder);
  const isOthers = (path: string): boolean => others.some((other) => path.startsWith(`${other}/`));
  const own = files.filter(({ path }) => !isOthers(path));
  if (folder === '') return own;
  const inside = own
    .filter(({ path }) => path.startsWith(`${folder}/`))
    .map((file) => ({ ...file, path: file.path.slice(folder.length + 1) }));
  const taken = new Set(inside.map(({ path }) => path));
  const beside = own.filter(({ path }) => !path.startsWith(`${folder}/`) && !taken.has(path));
  return [...inside, ...beside].toSorted((a, b) => (a.path < b.path ? -1 : 1));
}

/**
 * Finds the files of a PEFT adapter. Reads no weights but to look for numbers that are none.
 *
 * @param path the directory that `save_pretrained` of an adapted model made; an adapter with a name of its own may lie in
 * a folder of that name inside of it
 * @throws ModelkeepError `INVALID_ARTIFACT` if there is no adapter, or several, or a whole model beside it
 */
export async function inspectAdapter(path: string): Promise<Artifact> {
  const absolute = resolve(path);
  if (statSync(absolute, { throwIfNoEntry: false })?.isDirectory() !== true)
    throw invalid(`${path} is no directory. An adapter is the directory that holds ${ADAPTER_CONFIG_FILE}`);
  const { files: listed, leftOut } = listModelFiles(absolute);
  const folder = chooseFolder(path, listed);
  const files = filesOf(listed, folder);
  const whole = [WEIGHTS_FILE, WEIGHTS_INDEX_FILE].find((name) => files.some((file) => file.path === name));
  if (whole !== undefined)
    throw invalid(
      `${path} has an adapter and, in ${whole}, a whole model. Publish one of them from a folder of its own`,
    );
  const others = adapterFolders(listed).filter((other) => other !== folder);
  const warnings = [
    ...(others.length === 0 ? [] : [`Left out: the other adapters ${others.slice(0, 10).join(', ')}`]),
    ...[warningOf(leftOut) ?? []].flat(),
  ];
  return {
    format: 'hf',
    directory: realpathSync(absolute),
    files,
    ...(folder === '' ? {} : { from: folder }),
    leftOut: summaryOf(leftOut),
    warnings,
  };
}
