/**
 * residency/: one warm copy of each version in use. `states` is the table of states, `resident` one version, `residency`
 * brings versions in and lets them go (`loading` is the way in and out, `room` the memory for it), `follower` keeps
 * references current and swaps.
 */
export type { Followed, FollowerEvents, StoreHealth, SwapMode } from './followed.js';
export type { CompileReport, CompilerOptions } from './compiler.js';
export { canonicalReference, Follower } from './follower.js';
export type { ParityPolicy } from './parity.js';
export type { Share } from './target.js';
export type { EnsureOptions, EvictionReason, Quantizing, ResidencyEvents, ResidencyOptions } from './options.js';
export { Residency } from './residency.js';
export { type Lease, type LoadedModel, Resident, type ServedForm, type Transition } from './resident.js';
export { NEXT_STATES, nextState, RESIDENCY_STATES, type ResidencyState } from './states.js';
