import { ModelkeepError } from '../core/index.js';

/**
 * What a runner does.
 *
 *   starting -first word-> free            starting -silent for 30 s-> hung
 *   free -a call is sent-> busy            busy -the last call in flight is answered-> free
 *   busy -a call takes longer than it may-> hung
 *   free, busy -taken out of service-> retiring     (answers what is in flight and ends)
 *   retiring -a call takes longer than it may-> hung
 *   any -the process has ended-> dead
 *
 * starting  It was started and has said nothing yet. Nobody but its starter knows it.
 * free      Nothing is asked of it. Only a free runner is given requests.
 * busy      At least one call is not answered: a run, or loading, warming or unloading of a version.
 * retiring  It takes no new call. Another runner serves in its place, or its pool is closed.
 * hung      It did not answer in time. Its calls have failed, it is being killed, and another takes its place.
 * dead      The process has ended, expectedly after `retiring` alone.
 */
export const RUNNER_MODES = Object.freeze(['starting', 'free', 'busy', 'retiring', 'hung', 'dead'] as const);

/** One of {@link RUNNER_MODES}. */
export type RunnerMode = (typeof RUNNER_MODES)[number];

/** From each mode, the modes that may follow. */
export const NEXT_MODES: Readonly<Record<RunnerMode, readonly RunnerMode[]>> = Object.freeze({
  starting: ['free', 'retiring', 'hung', 'dead'],
  free: ['busy', 'retiring', 'dead'],
  busy: ['free', 'retiring', 'hung', 'dead'],
  retiring: ['hung', 'dead'],
  hung: ['dead'],
  dead: [],
});

/** Returns `to` if it may follow `from`. @throws ModelkeepError `INTERNAL` otherwise */
export function nextMode(from: RunnerMode, to: RunnerMode): RunnerMode {
  if (NEXT_MODES[from].includes(to)) return to;
  throw new ModelkeepError('INTERNAL', `A runner cannot go from ${from} to ${to}`);
}

/** True for a runner that can still answer what was asked of it. */
export function isAlive(mode: RunnerMode): boolean {
  return mode !== 'hung' && mode !== 'dead';
}
