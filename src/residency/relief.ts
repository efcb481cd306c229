import { ModelkeepError, versionName } from '../core/index.js';
import type { Replacement, Runner } from '../runners/index.js';
import type { Pools } from './pools.js';
import type { Resident } from './resident.js';

/** What {@link Relief} is made of. */
export interface ReliefOptions {
  readonly pools: Pools;
  /** The versions that are not absent. */
  readonly residents: () => Iterable<Resident>;
  /** Loads a ready version into a runner; tells of its failure and does not reject. */
  readonly host: (resident: Resident, runner: Runner) => Promise<void>;
}

/**
 * Fresh processes in the place of runners that serve. The fresh one loads everything that the old one holds before it
 * takes over, so that nobody waits; the old one answers what is in flight and ends.
 */
export class Relief {
  readonly #options: ReliefOptions;
  /** One at a time: a fresh process must hold what the one before it took over. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: ReliefOptions) {
    this.#options = options;
  }

  /** True if there is one runner for ONNX graphs and that serves: whatever it loads keeps requests waiting. */
  wouldBlock(except?: Resident): boolean {
    const { onnx } = this.#options.pools;
    const [lone] = onnx.runners;
    return onnx.size === 1 && lone !== undefined && this.#heldBy(lone).some((resident) => resident !== except);
  }

  /**
   * Relieves the one runner for ONNX graphs.
   *
   * @param prepare what the fresh process does besides, before it takes over
   * @throws ModelkeepError as {@link relieve}
   */
  relieveLone(prepare: (fresh: Runner) => Promise<void>): Promise<Replacement | undefined> {
    return this.#inTurn(async () => {
      const [lone] = this.#options.pools.onnx.runners;
      return lone === undefined ? undefined : this.#relieve(lone, prepare);
    });
  }

  /**
   * Relieves a runner.
   *
   * @returns undefined if it ended by itself meanwhile
   * @throws ModelkeepError `RUNNER_CRASHED` if no fresh process could be started, or it could not take everything over;
   * the old one then serves on
   */
  relieve(old: Runner): Promise<Replacement | undefined> {
    return this.#inTurn(() => this.#relieve(old));
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work);
    // The next one's turn comes however this one ends.
    this.#turn = done.catch(() => undefined);
    return done;
  }

  #heldBy(runner: Runner): Resident[] {
    return [...this.#options.residents()].filter(({ state, runners }) => state === 'ready' && runners.has(runner));
  }

  async #relieve(old: Runner, prepare?: (fresh: Runner) => Promise<void>): Promise<Replacement | undefined> {
    return this.#options.pools.of(old)?.replace(old, async (fresh) => {
      try {
        for (const resident of this.#heldBy(old)) await this.#options.host(resident, fresh);
        const missing = this.#heldBy(old).find(({ runners }) => !runners.has(fresh));
        if (missing !== undefined) {
          const message = `A fresh runner could not take over ${versionName(missing.record)}; the old one serves on`;
          throw new ModelkeepError('RUNNER_CRASHED', message);
        }
        await prepare?.(fresh);
      } catch (error) {
        for (const { runners } of this.#options.residents()) runners.delete(fresh);
        throw error;
      }
    });
  }
}
