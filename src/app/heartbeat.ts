import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { asModelkeepError, type ModelkeepError, type NodeReport } from '../core/index.js';
import type { Modelkeep } from './modelkeep.js';

/** How often a node reports, in ms. */
export const HEARTBEAT_MS = 20_000;
/** How long a node that fell silent is still listed, in ms: two missed reports and some. */
export const HEARTBEAT_TTL_MS = 3 * HEARTBEAT_MS;

/** Reports to the store, every now and then, what this node holds and follows; `modelkeep show` tells it. */
export class Heartbeat {
  readonly #keep: Modelkeep;
  readonly #onError: (error: ModelkeepError) => void;
  readonly #node = randomUUID();
  readonly #startedAt = new Date();
  readonly #timer: NodeJS.Timeout;
  #reporting: Promise<void> = Promise.resolve();

  /** @param onError told of a report that the store did not take; the next one is tried all the same */
  constructor(keep: Modelkeep, onError: (error: ModelkeepError) => void) {
    this.#keep = keep;
    this.#onError = onError;
    this.#timer = setInterval(this.#report, HEARTBEAT_MS).unref();
    keep.parts.follower.on('swapped', this.#report);
    keep.parts.residency.on('compiled', this.#report);
    this.#report();
  }

  /** Stops reporting; resolves when no report is under way. The node is forgotten when its last report expires. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#keep.parts.follower.off('swapped', this.#report);
    this.#keep.parts.residency.off('compiled', this.#report);
    await this.#reporting;
  }

  readonly #report = (): void => {
    const { holds, follows } = this.#keep.status();
    const report: NodeReport = {
      node: this.#node,
      host: hostname(),
      pid: process.pid,
      startedAt: this.#startedAt,
      holds: holds.map(({ model, version, state, since, precision, compiled }) => {
        return { model, version, state, since, precision, compiled };
      }),
      follows,
    };
    this.#reporting = this.#keep.store.reportNode(report, { ttlMs: HEARTBEAT_TTL_MS }).catch((error: unknown) => {
      this.#onError(asModelkeepError(error));
    });
  };
}
