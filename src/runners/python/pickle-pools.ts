import type { DiskBudget } from '../../cache/index.js';
import { ModelkeepError, type Manifest } from '../../core/index.js';
import { openSegmentFiles, readRequirements, REQUIREMENTS_FILE } from '../../formats/index.js';
import { RunnerPool, type Replacement } from '../pool.js';
import type { Runner, RunnerEmitter } from '../runner.js';
import { pythonRunnerCommand, type PythonRunnerOptions } from './command.js';
import { PythonEnvironments } from './environment.js';

/** Options of {@link PicklePools}. */
export interface PicklePoolsOptions extends Omit<PythonRunnerOptions, 'packages'> {
  /** Where environments of versions are kept; see {@link PythonEnvironments}. */
  readonly environmentsFolder: string;
  /** A folder of wheels, from which alone packages are taken; absent or empty: pip's package index. */
  readonly wheelhouse?: string | undefined;
  /** The bound on what the cache takes of the disk, to which environments count; absent: none. */
  readonly budget?: DiskBudget | undefined;
  /** Where the runners tell what happens to them. */
  readonly events: RunnerEmitter;
}

interface Shared {
  readonly pool: RunnerPool;
  readonly users: Set<string>;
}

/**
 * The Python runners for pickled models: one for all versions that name no environment, and one for each environment
 * that a version in use names. Each is started when it is needed first.
 */
export class PicklePools {
  readonly #options: PicklePoolsOptions;
  #plain: RunnerPool;
  /** Versions in it. */
  readonly #plainUsers = new Set<string>();
  readonly #environments: PythonEnvironments;
  /** By the environment's digest. */
  readonly #shared = new Map<string, Shared>();
  /** By version. */
  readonly #uses = new Map<string, { readonly digest: string; readonly requirements: string }>();
  readonly #ending = new Set<Promise<void>>();
  #endedRestarts = 0;
  #endedHung = 0;
  #closed = false;

  constructor(options: PicklePoolsOptions) {
    this.#options = options;
    const { python, environmentsFolder: directory, wheelhouse = '', budget, onLog } = options;
    this.#environments = new PythonEnvironments({
      python,
      directory,
      wheelhouse,
      ...(budget === undefined ? {} : { budget }),
      ...(onLog === undefined ? {} : { onLog }),
    });
    this.#plain = this.#newPool(options);
  }

  /** The runners that are alive, of all environments. */
  get runners(): readonly Runner[] {
    return this.#pools.flatMap(({ runners }) => runners);
  }

  /** Process ids of all that is in memory: the runners, those being prepared to take over, and those that are ending. */
  get pids(): readonly number[] {
    return this.#pools.flatMap(({ pids }) => pids);
  }

  /** Runners that ended unexpectedly since this was made. */
  get restarts(): number {
    return this.#pools.reduce((sum, { restarts }) => sum + restarts, this.#endedRestarts);
  }

  /** Runners that hung since this was made. */
  get hung(): number {
    return this.#pools.reduce((sum, { hung }) => sum + hung, this.#endedHung);
  }

  /** Runners that should serve and do not. */
  get missing(): number {
    return this.#pools.reduce((sum, { missing }) => sum + missing, 0);
  }

  get #pools(): readonly RunnerPool[] {
    return [this.#plain, ...[...this.#shared.values()].map(({ pool }) => pool)];
  }

  /** Starts the runner for versions that name no environment. @throws ModelkeepError `RUNNER_CRASHED`, `CLOSED` */
  open(): Promise<void> {
    return this.#plain.open();
  }

  /**
   * Readies the runners' environment for a version, until {@link release}. Its segments must be on this disk.
   *
   * @param id the version's
   * @throws ModelkeepError `LOAD_FAILED` saying which package is missing, `INVALID_ARTIFACT` for requirements that are
   * no list of exact releases, `CLOSED`, or what the signal says
   */
  async acquire(id: string, manifest: Manifest, signal: AbortSignal): Promise<void> {
    if (this.#uses.has(id) || this.#plainUsers.has(id)) return;
    const named = requirementsOf(manifest);
    const requirements = await readRequirements(openSegmentFiles(manifest, this.#options.segmentsFolder));
    if (named === undefined || requirements === undefined) {
      this.#plainUsers.add(id);
      return;
    }
    const { python, packages } = await this.#environments.ensure(requirements, signal);
    const digest = await this.#environments.digestOf(requirements);
    if (this.#closed) {
      await this.#environments.release(digest);
      throw new ModelkeepError('CLOSED', 'The runners for pickled models are closed');
    }
    let shared = this.#shared.get(digest);
    if (shared === undefined) {
      shared = { pool: this.#newPool({ ...this.#options, python, packages }), users: new Set() };
      this.#shared.set(digest, shared);
    }
    shared.users.add(id);
    this.#uses.set(id, { digest, requirements: named });
  }

  /**
   * A version is in the runners no longer: ends those of its environment if no other version is in them, since only the
   * end of a process surely gives its memory back.
   */
  async release(id: string): Promise<void> {
    if (this.#plainUsers.delete(id)) return this.#releasePlain();
    const use = this.#uses.get(id);
    if (use === undefined) return;
    this.#uses.delete(id);
    const shared = this.#shared.get(use.digest);
    shared?.users.delete(id);
    if (shared !== undefined && shared.users.size === 0) {
      this.#shared.delete(use.digest);
      await this.#end(shared.pool);
    }
    await this.#environments.release(use.digest);
  }

  async #releasePlain(): Promise<void> {
    if (this.#plainUsers.size > 0 || this.#closed) return;
    const ended = this.#plain;
    this.#plain = this.#newPool(this.#options);
    await this.#end(ended);
  }

  async #end(pool: RunnerPool): Promise<void> {
    this.#endedRestarts += pool.restarts;
    this.#endedHung += pool.hung;
    const ending = pool.close();
    this.#ending.add(ending);
    await ending.finally(() => this.#ending.delete(ending));
  }

  /** The runners of a version's environment. @throws ModelkeepError `INTERNAL` before {@link acquire} */
  poolFor(manifest: Manifest): RunnerPool {
    const named = requirementsOf(manifest);
    if (named === undefined) return this.#plain;
    const use = [...this.#uses.values()].find(({ requirements }) => requirements === named);
    const shared = use === undefined ? undefined : this.#shared.get(use.digest);
    if (shared !== undefined) return shared.pool;
    throw new ModelkeepError('INTERNAL', 'The environment of this version is not ready');
  }

  /** Puts a fresh process in the place of a runner. @returns and @throws as {@link RunnerPool.replace} */
  async replace(old: Runner, prepare?: (fresh: Runner) => Promise<void>): Promise<Replacement | undefined> {
    return this.#pools.find(({ runners }) => runners.includes(old))?.replace(old, prepare);
  }

  /** Ends all runners after their calls in flight, and what is being made; idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#pools.map((pool) => pool.close()), ...this.#ending]);
    await this.#environments.close();
  }

  #newPool(options: PythonRunnerOptions): RunnerPool {
    return new RunnerPool({ command: pythonRunnerCommand(options), size: 1, events: this.#options.events });
  }
}

/** Which file of requirements a version has, by its contents. */
function requirementsOf({ files }: Manifest): string | undefined {
  const file = files.find(({ path }) => path === REQUIREMENTS_FILE);
  return file?.segments.map(({ digest }) => digest).join();
}
