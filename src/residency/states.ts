import { ModelkeepError } from '../core/index.js';

/**
 * The states of one version on this node.
 *
 *   absent -acquired-> fetching -segments here-> loading -in every runner-> warming -first run done-> ready
 *   ready -released-> draining -last lease back, unloaded-> absent
 *   draining -acquired again-> ready                 (its weights are still there)
 *   fetching, loading, warming -error-> failed       (the error is kept for a back-off time, then it is tried again)
 *   fetching, loading, warming -last waiter left-> absent
 *   failed -acquired after the back-off-> fetching;  failed -forgotten-> absent
 *
 * Leases are given in `ready` alone. Only {@link nextState} decides what may follow what.
 */
export const RESIDENCY_STATES = Object.freeze([
  'absent',
  'fetching',
  'loading',
  'warming',
  'ready',
  'draining',
  'failed',
] as const);

/** One of {@link RESIDENCY_STATES}. */
export type ResidencyState = (typeof RESIDENCY_STATES)[number];

/** From each state, the states that may follow. */
export const NEXT_STATES: Readonly<Record<ResidencyState, readonly ResidencyState[]>> = Object.freeze({
  absent: ['fetching'],
  fetching: ['loading', 'failed', 'absent'],
  loading: ['warming', 'failed', 'absent'],
  warming: ['ready', 'failed', 'absent'],
  ready: ['draining'],
  draining: ['absent', 'ready'],
  failed: ['fetching', 'absent'],
});

/** Returns `to` if it may follow `from`. @throws ModelkeepError `INTERNAL` otherwise */
export function nextState(from: ResidencyState, to: ResidencyState): ResidencyState {
  if (NEXT_STATES[from].includes(to)) return to;
  throw new ModelkeepError('INTERNAL', `A version cannot go from ${from} to ${to}`);
}
