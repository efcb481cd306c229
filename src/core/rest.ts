import type { Abortable } from './store.js';

/**
 * What work in the background awaits after each piece of it, some megabytes at the most: it resolves when the next piece
 * may begin, at once where nothing more urgent is done.
 *
 * @throws ModelkeepError `CANCELLED` or `DEADLINE_EXCEEDED` when the signal fires
 */
export type Rest = (options?: Abortable) => Promise<void>;
