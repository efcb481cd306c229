import {
  asModelkeepError,
  parseReference,
  type GateResult,
  type ModelkeepError,
  type VersionStore,
} from '../core/index.js';
import type { Follower } from '../residency/index.js';

/**
 * Writes into the history what this node holds back because it does not give its golden answers here: the node that has
 * the wrong processor or a bad library is named. Each version once a reference, however often it is tried again.
 */
export class HeldBackRecorder {
  readonly #store: VersionStore;
  readonly #follower: Follower;
  readonly #node: string;
  readonly #onError: (error: ModelkeepError) => void;
  readonly #told = new Set<string>();
  readonly #writing = new Set<Promise<void>>();

  /**
   * @param node this node's name in the history
   * @param onError told what the store says if it does not take a record
   */
  constructor(
    parts: { readonly store: VersionStore; readonly follower: Follower },
    node: string,
    onError: (error: ModelkeepError) => void,
  ) {
    this.#store = parts.store;
    this.#follower = parts.follower;
    this.#node = node;
    this.#onError = onError;
    this.#follower.on('held-back', this.#onHeldBack);
  }

  /** Resolves when what was to be written is written. */
  async close(): Promise<void> {
    this.#follower.off('held-back', this.#onHeldBack);
    await Promise.all(this.#writing);
  }

  readonly #onHeldBack = (text: string, error: ModelkeepError): void => {
    const { version, gates } = error.details;
    if (typeof version !== 'number' || !Array.isArray(gates)) return;
    const key = `${text} ${version}`;
    if (this.#told.has(key)) return;
    this.#told.add(key);
    const writing = this.#record(text, version, gates as readonly GateResult[]).catch((thrown: unknown) => {
      this.#told.delete(key);
      this.#onError(asModelkeepError(thrown));
    });
    this.#writing.add(writing);
    void writing.finally(() => this.#writing.delete(writing));
  };

  async #record(text: string, version: number, gates: readonly GateResult[]): Promise<void> {
    const { model, selector } = parseReference(text);
    const alias = selector.kind === 'alias' ? { alias: selector.alias } : {};
    await this.#store.recordGateFailure({ model, version, gates, by: this.#node, ...alias });
  }
}
