import { readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { ModelkeepError } from '../../core/index.js';
import { CHECKPOINT_FOLDER } from './file-kinds.js';

/** Which checkpoint of a training run is published. */
export interface ChosenCheckpoint {
  /** Name of its folder. */
  readonly name: string;
  /** Which one it is among the others, such as `the newest of 3`. */
  readonly which: string;
  /** What its publisher may not expect, as a sentence. */
  readonly warning?: string | undefined;
}

/** Largest `trainer_state.json` that is read for the best checkpoint: 16 MiB. */
const MAX_STATE_BYTES = 16 * 1024 * 1024;

function stepOf(name: string): number {
  return Number(CHECKPOINT_FOLDER.exec(name)?.[1]);
}

/** Names of the checkpoints of a training run, in the order of their steps. */
export function checkpointsIn(folder: string): readonly string[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && CHECKPOINT_FOLDER.test(entry.name))
    .map(({ name }) => name)
    .toSorted((a, b) => stepOf(a) - stepOf(b));
}

/**
 * Chooses a checkpoint of a training run: the newest, as the run left off with it, unless another is named.
 *
 * @param wanted its number or name, or `best`: the one that `trainer_state.json` calls so
 * @throws ModelkeepError `INVALID_INPUT` for one that is not there, listing those that are
 */
export function chooseCheckpoint(folder: string, wanted?: string): ChosenCheckpoint {
  const all = checkpointsIn(folder);
  const newest = all.at(-1);
  const refuse = (why: string): ModelkeepError =>
    new ModelkeepError(
      'INVALID_INPUT',
      `${folder} ${why}. Choose one of ${all.length === 0 ? 'none' : all.join(', ')} with --checkpoint`,
    );
  if (newest === undefined) throw refuse('holds no checkpoint-N folders');
  const best = bestOf(join(folder, newest), all);
  if (wanted === 'best') {
    if (best === undefined) throw refuse(`names no best checkpoint that is there in ${newest}/trainer_state.json`);
    return { name: best, which: `the best of ${all.length} by trainer_state.json` };
  }
  if (wanted !== undefined) {
    const name = /^\d+$/.test(wanted) ? `checkpoint-${Number(wanted)}` : basename(wanted);
    if (!all.includes(name)) throw refuse(`holds no ${JSON.stringify(name.slice(0, 80))}`);
    return { name, which: 'as asked' };
  }
  const which = all.length === 1 ? 'the only checkpoint' : `the newest of ${all.length}`;
  if (best === undefined || best === newest) return { name: newest, which };
  const warning = `${newest} was taken, the newest; trainer_state.json calls ${best} the best: --checkpoint best publishes that`;
  return { name: newest, which, warning };
}

/** The checkpoint that the training run called its best, where it is there. */
function bestOf(newest: string, all: readonly string[]): string | undefined {
  const path = join(newest, 'trainer_state.json');
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat?.isFile() !== true || stat.size > MAX_STATE_BYTES) return undefined;
  // It names a folder of the machine that trained it; the last part is what was copied here.
  const named = /"best_model_checkpoint"\s*:\s*"([^"]*)"/.exec(readFileSync(path, 'utf8'))?.[1];
  const name = named?.split(/[/\\]/).at(-1);
  return name !== undefined && all.includes(name) ? name : undefined;
}
