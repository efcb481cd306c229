import { ModelkeepError, type VersionFiles } from '../../core/index.js';
import { WEIGHTS_FILE, WEIGHTS_INDEX_FILE } from '../shards.js';
import { readTensors } from './checkpoint.js';
import type { HeadKind } from './family.js';
import { familyOf, fieldsOf, knownFamily } from './families.js';
import { chooseHead, headsOf, taskOfHead, tasksOfHeads } from './head-choice.js';
import { checkBeside } from './leftovers.js';
import { readNamed, weightsOf, type ReadCheckpoint } from './read-checkpoint.js';

/**
 * True for the files of a Hugging Face directory, whose graph is authored; sentence-transformers saves some modules without
 * a config.json.
 */
export function isCheckpoint(files: VersionFiles): boolean {
  const hasWeights = files.size(WEIGHTS_FILE) !== undefined || files.size(WEIGHTS_INDEX_FILE) !== undefined;
  return hasWeights && (files.size('config.json') !== undefined || files.size('modules.json') !== undefined);
}

/** A config.json as the configuration of its family reads it. */
export interface ResolvedConfig {
  /** The family by `model_type`; undefined for one that is not served. */
  readonly type: string | undefined;
  /** Its fields, with the defaults of those that are missing. */
  readonly fields: Readonly<Record<string, unknown>>;
}

/**
 * Completes a config.json by the defaults of its family. Where `model_type` does not name one, the tensors tell it.
 *
 * @throws ModelkeepError `INVALID_ARTIFACT` for weights that are damaged
 */
export async function resolvedConfig(
  files: VersionFiles,
  json: Readonly<Record<string, unknown>>,
): Promise<ResolvedConfig> {
  const exact = knownFamily(json['model_type']);
  if (exact !== undefined) return { type: exact.type, fields: fieldsOf(exact, json) };
  if (!isCheckpoint(files)) return { type: undefined, fields: json };
  try {
    const found = familyOf(json, (await readTensors(files)).keys());
    return { type: found.type, fields: fieldsOf(found, json) };
  } catch (error) {
    if (error instanceof ModelkeepError && error.code === 'UNSUPPORTED_FORMAT')
      return { type: undefined, fields: json };
    throw error;
  }
}

/** The head that a checkpoint has; an encoder with a head that is not known is none. */
function ownHeadOf(found: ReadCheckpoint): HeadKind {
  const weights = weightsOf(found);
  const kind = chooseHead(weights, undefined);
  if (kind === 'Model' && headsOf(weights).hint !== 'Model') checkBeside(found.family, found.adapted.tensors.keys());
  return kind;
}

/** What a checkpoint can serve. */
export interface Servable {
  /** The family by `model_type`, such as `bert`. */
  readonly family: string;
  /** Tasks whose head the weights have, in the order in which tasks are documented. */
  readonly tasks: readonly string[];
  /** The task that it is for by its configuration and its tensors; undefined where they do not tell. */
  readonly own: string | undefined;
}

/**
 * What the weights of a Hugging Face directory can serve. Reads config.json and the headers of the weights.
 *
 * @throws ModelkeepError as `planSession`, but for a head that cannot be told
 */
export async function servableTasks(files: VersionFiles): Promise<Servable> {
  const found = await readNamed(files);
  const weights = weightsOf(found);
  const heads = headsOf(weights);
  let own: string | undefined;
  try {
    own = taskOfHead(ownHeadOf(found));
  } catch (error) {
    if (!(error instanceof ModelkeepError) || error.code !== 'UNSUPPORTED_FORMAT') throw error;
  }
  return { family: found.type, tasks: tasksOfHeads(weights, heads), own };
}

/**
 * The task that a Hugging Face directory is for: that of the head which its configuration names and its tensors have.
 *
 * @throws ModelkeepError as `planSession`; `UNSUPPORTED_FORMAT` naming the tasks to choose from if it cannot be told
 */
export async function taskOfCheckpoint(files: VersionFiles): Promise<string> {
  return taskOfHead(ownHeadOf(await readNamed(files)));
}
