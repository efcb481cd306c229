import { readdirSync, realpathSync, statSync } from 'node:fs';
import { basename, join, sep } from 'node:path';
import { checkFilePath, fileError, MAX_FILES, ModelkeepError } from '../core/index.js';
import type { ArtifactFile } from './artifact.js';

/** What training leaves beside a model and nobody needs to serve it: optimizer state, random states, logs. */
const TRAINING_STATE =
  /^(optimizer\.(pt|bin)|scheduler\.pt|scaler\.pt|rng_state.*\.pth|training_args\.bin|events\.out\.tfevents\..*)$/;
/** Folders of logs and caches. */
const SKIPPED_FOLDERS = new Set(['runs', 'logs', 'wandb', '__pycache__', 'node_modules']);
/** The same weights for other frameworks. */
const OTHER_WEIGHTS =
  /\.(bin|h5|msgpack|pt|pth|ckpt|ot|tflite|mlmodel)$|^(pytorch_model|tf_model|flax_model).*\.index\.json$/;
/** A checkpoint of its own inside the folder of a training run. */
const CHECKPOINT_FOLDER = /^checkpoint-\d+$/;

/**
 * Lists what belongs to a model in a directory: all files but hidden ones, training state, and weights in forms that
 * are not served.
 *
 * @throws ModelkeepError `INVALID_ARTIFACT` for a symbolic link that leaves the directory, a path that not every
 * system can hold, or too many files
 */
export function listModelFiles(directory: string): readonly ArtifactFile[] {
  const root = realpathSync(directory);
  const found: ArtifactFile[] = [];
  const walk = (folder: string): void => {
    for (const name of readdirSync(join(root, folder))) {
      if (name.startsWith('.')) continue;
      const path = folder === '' ? name : `${folder}/${name}`;
      const real = realPath(root, path);
      const stat = statSync(real);
      if (stat.isDirectory()) {
        if (!SKIPPED_FOLDERS.has(name) && !CHECKPOINT_FOLDER.test(name) && !isLoop(root, path, real)) walk(path);
      } else if (stat.isFile() && !TRAINING_STATE.test(name) && !OTHER_WEIGHTS.test(name)) {
        found.push({ path: checkFilePath(path), absolutePath: join(root, path), size: stat.size });
      }
      if (found.length > MAX_FILES) {
        throw new ModelkeepError('INVALID_ARTIFACT', `${directory} has more than ${MAX_FILES} files`);
      }
    }
  };
  walk('');
  return found.toSorted((a, b) => (a.path < b.path ? -1 : 1));
}

/** True for a folder that is a link to one of the folders above it. */
function isLoop(root: string, path: string, real: string): boolean {
  return join(root, path) !== real && `${join(root, path)}${sep}`.startsWith(`${real}${sep}`);
}

function realPath(root: string, path: string): string {
  let real: string;
  try {
    real = realpathSync(join(root, path));
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ELOOP') {
      throw new ModelkeepError('INVALID_ARTIFACT', `${path} is a link to nothing. Remove it and publish again`, {
        cause: error,
      });
    }
    throw fileError(error, `Cannot read ${join(root, path)}`, 'make it readable and publish again');
  }
  if (real.startsWith(`${root}${sep}`)) return real;
  throw new ModelkeepError(
    'INVALID_ARTIFACT',
    `${path} is a link that leaves ${basename(root)}. Copy the file into the folder and publish again`,
  );
}
