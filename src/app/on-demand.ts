import type { RunGates } from '../registry/index.js';
import type { comparePrecision as compare } from './compare-precision.js';
import type { OpenGatesOptions } from './gates.js';
import type { Modelkeep } from './modelkeep.js';
import type { OpenOptions } from './open.js';
import type { RunningServer, ServeOptions } from './serve.js';

// What runs models is loaded when it is first called: publishing, listing and moving aliases need none of it, and
// reading its modules would be most of the time that such a command takes.

/**
 * Opens a node: a store, the disk cache, runner processes and the service over them. Resolves usable, or rejects with
 * nothing left open.
 *
 * @throws ModelkeepError `STORE_UNAVAILABLE` or `STORE_PERMISSION` for the store or the cache folder, `RUNNER_CRASHED`
 * if a runner does not start, `INVALID_INPUT` for a malformed option
 *
 * @example
 * ```ts
 * await using keep = await openModelkeep({ store: 'mongodb://127.0.0.1:27017/models' });
 * const model = await keep.load('sentiment@production');
 * ```
 */
export async function openModelkeep(options: OpenOptions = {}): Promise<Modelkeep> {
  return (await import('./open.js')).openModelkeep(options);
}

/**
 * Opens a node and serves it over HTTP and gRPC. Resolves when it listens and the preloaded versions are ready.
 *
 * @throws ModelkeepError as `openModelkeep`; `INVALID_INPUT` if the address or port cannot be had, or if it would
 * listen beyond this machine with nobody being asked for credentials; what a preloaded reference says
 */
export async function serve(options: ServeOptions): Promise<RunningServer> {
  return (await import('./serve.js')).serve(options);
}

/**
 * Asks a version the same texts in fp32 and in another precision.
 *
 * @throws ModelkeepError `INVALID_INPUT` for no texts, for fp32 itself and for a model that takes tensors only or is no
 * checkpoint; what loading and asking the version says
 */
export async function comparePrecision(...asked: Parameters<typeof compare>): ReturnType<typeof compare> {
  return (await import('./compare-precision.js')).comparePrecision(...asked);
}

/**
 * Makes the function by which `promote` has the gates of a policy computed. Each version that is computed runs in a node
 * of its own, with the given settings, that is closed afterwards.
 *
 * @example
 * ```ts
 * await promote(store, parseReference('sentiment:4'), { to: 'production', runGates: openGates({ store }) });
 * ```
 */
export function openGates(options: OpenGatesOptions): RunGates {
  return async (asked) => (await import('./gates.js')).openGates(options)(asked);
}
