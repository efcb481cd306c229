import { lstatSync, readdirSync, realpathSync, statSync, type Stats } from 'node:fs';
import { dirname, join, sep } from 'node:path';
import { checkFilePath, fileError, MAX_FILES, ModelkeepError } from '../core/index.js';
import type { ArtifactFile } from './artifact.js';
import { fileLeftOut, folderLeftOut, type LeftOut, type LeftOutWhy } from './folder/file-kinds.js';

/** Most files and folders that are looked at, those that are left out counted too. */
const MAX_ENTRIES = 200_000;

/** What lies in a folder. */
export interface Listing {
  /** What could be part of a version, sorted by path. */
  readonly files: readonly ArtifactFile[];
  /** What cannot, in the order in which it was met. */
  readonly leftOut: readonly LeftOut[];
}

/**
 * Lists a directory: files that could be part of a model, and what cannot be, with the reason. Links are followed
 * inside of `boundary` and into the blobs of a Hugging Face cache, which are named by their content, and nowhere else.
 *
 * @param boundary the folder that was named by the user, which holds `directory`. @defaultValue `directory`
 * @throws ModelkeepError `INVALID_ARTIFACT` for too many files; what the disk says of the directory itself
 */
export function listModelFiles(directory: string, boundary: string = directory): Listing {
  const root = realpathSync(directory);
  const fence = realpathSync(boundary);
  const files = new Map<string, ArtifactFile>();
  const leftOut: LeftOut[] = [];
  let entries = 0;
  const visit = (folder: string, name: string): void => {
    entries += 1;
    if (entries > MAX_ENTRIES || files.size > MAX_FILES) throw tooMany(directory);
    const path = folder === '' ? name : `${folder}/${name}`;
    const met = look(join(root, path), fence);
    if (typeof met === 'string') {
      // What is left out anyway is not worth a word about its link.
      leftOut.push({ path, why: fileLeftOut(name) === 'hidden' ? 'hidden' : met });
      return;
    }
    const isFolder = met.stat.isDirectory();
    const why = isFolder
      ? folderLeftOut(name)
      : (fileLeftOut(name, met.stat.size) ?? oddName(path) ?? twin(files, path));
    if (why !== undefined) leftOut.push({ path, why });
    else if (!isFolder) files.set(path.toLowerCase(), { path, absolutePath: join(root, path), size: met.stat.size });
    else if (!isLoop(join(root, path), met.real)) walk(path);
  };
  const walk = (folder: string): void => {
    for (const name of namesIn(join(root, folder), folder === '')) visit(folder, name);
  };
  walk('');
  return { files: [...files.values()].toSorted((a, b) => (a.path < b.path ? -1 : 1)), leftOut };
}

function tooMany(directory: string): ModelkeepError {
  return new ModelkeepError(
    'INVALID_ARTIFACT',
    `${directory} has more than ${MAX_FILES} files. Publish the folder of the model alone`,
  );
}

/** Names in an order that does not depend on the disk: of twins, the one in small letters is met first. */
function namesIn(folder: string, isRoot: boolean): readonly string[] {
  try {
    return readdirSync(folder).toSorted((a, b) => (a < b ? 1 : -1));
  } catch (error) {
    if (isRoot) throw fileError(error, `Cannot read ${folder}`, 'make it readable and publish again');
    return [];
  }
}

/** A file or folder and where it really lies, or why it is left out. */
function look(path: string, fence: string): { readonly real: string; readonly stat: Stats } | LeftOutWhy {
  try {
    const real = realpathSync(path);
    if (!real.startsWith(`${fence}${sep}`) && !isHubBlob(real, path, fence)) return 'link out';
    const stat = statSync(real);
    return stat.isFile() || stat.isDirectory() ? { real, stat } : 'no file';
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENOENT' && code !== 'ELOOP') return 'unreadable';
    return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true ? 'link to nothing' : 'unreadable';
  }
}

/** `models--org--name/blobs/CONTENT`, wherever the cache lies. */
const HUB_BLOB = /[/\\](models|datasets|spaces)--[^/\\]+[/\\]blobs[/\\][0-9a-f]{40,64}$/;

/**
 * True for a file of the folder `blobs` of the repository in a Hugging Face cache that holds what is listed: beside the
 * snapshot or its folder, or of any cache, where the file is named by its content.
 */
function isHubBlob(real: string, link: string, fence: string): boolean {
  if (!lstatSync(link).isSymbolicLink()) return false;
  const beside = [dirname(fence), dirname(dirname(fence))].some((folder) => dirname(real) === join(folder, 'blobs'));
  return beside || HUB_BLOB.test(real);
}

function oddName(path: string): LeftOutWhy | undefined {
  try {
    checkFilePath(path);
    return undefined;
  } catch {
    return 'odd name';
  }
}

/** A file system that does not tell capitals apart holds one of two such files. */
function twin(files: ReadonlyMap<string, ArtifactFile>, path: string): LeftOutWhy | undefined {
  return files.has(path.toLowerCase()) ? 'same name' : undefined;
}

/** True for a folder that is a link to one of the folders above it. */
function isLoop(path: string, real: string): boolean {
  return path !== real && `${path}${sep}`.startsWith(`${real}${sep}`);
}
