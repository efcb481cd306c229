import { ModelkeepError, type Abortable, type VersionRecord, type VersionStore } from '../core/index.js';
import { push, type Pushed, type PushOptions, type RunGates } from '../registry/index.js';
import type { Follower, Residency } from '../residency/index.js';
import type { PicklePools, RunnerPool } from '../runners/index.js';
import type {
  Freshness,
  InferenceService,
  Prediction,
  RequestOptions,
  ServiceStatus,
  TextWork,
} from '../serving/index.js';
import type { TaskName } from '../tasks/index.js';
import type { CloseStack } from './close-stack.js';
import { compareVersions } from './compare-answers.js';
import { Model, requireTask } from './model.js';
import { Registry } from './registry.js';
import type { Watchman } from './watchman.js';

/** What a node is made of, for those who put protocols in front of it. */
export interface NodeParts {
  readonly store: VersionStore;
  readonly residency: Residency;
  readonly follower: Follower;
  readonly pool: RunnerPool;
  /** For pickled models; absent where they are not allowed. */
  readonly pickles?: PicklePools;
  readonly service: InferenceService;
  /** Moves aliases back from versions that fail, and records what is held back. */
  readonly watchman: Watchman;
  /** Runs the gates of promotions, with the settings of this node. */
  readonly runGates: RunGates;
}

/** Options of {@link Modelkeep.load}. */
export interface LoadOptions<Task extends TaskName | undefined = undefined> extends Abortable {
  /** Refuses a model of another task, and types the answers. @defaultValue any task */
  readonly task?: Task;
  /** `'checked'` asks the store first whether the reference still means the same version. @defaultValue 'watched' */
  readonly freshness?: Freshness;
  /** Where an alias is split: for whom; the same key gets the same version. @defaultValue the alias's own version */
  readonly key?: string;
}

/** A node as a library: every version in the store, one warm copy of each in use. */
export class Modelkeep implements AsyncDisposable {
  /** The parts behind it, for those who put protocols in front of it or listen to events. */
  readonly parts: NodeParts;
  readonly #closeStack: CloseStack;
  readonly #models = new Map<string, Model>();
  #closing: Promise<void> | undefined;

  /** For {@link openModelkeep}. */
  constructor(parts: NodeParts, closeStack: CloseStack) {
    this.parts = parts;
    this.#closeStack = closeStack;
  }

  /** The store that versions come from. */
  get store(): VersionStore {
    return this.parts.store;
  }

  /** What is done with versions: search, publish, promote, sign, verify, webhooks … */
  get registry(): Registry {
    const { store, runGates } = this.parts;
    return new Registry({ store, runGates, compareAnswers: (...asked) => compareVersions(this, ...asked) });
  }

  /**
   * The model that a reference means now, ready to answer. The first call loads it; later ones cost a look-up, and
   * the reference is kept current in the background. The same version is always the same object.
   *
   * @typeParam Task the task, which types what the model takes and gives; `{ task }` also checks it
   * @param reference such as `sentiment`, `sentiment:3` or `sentiment@production`
   * @throws ModelkeepError `INVALID_REFERENCE`, `MODEL_NOT_FOUND`, `VERSION_NOT_FOUND`, `ALIAS_NOT_FOUND`,
   * `LOAD_FAILED`, `STORE_UNAVAILABLE` …; `INVALID_INPUT` for a model of another task than `task`
   *
   * @example
   * ```ts
   * const model = await keep.load('reader@production', { task: 'question-answering' });
   * const answer = await model.predict({ question: 'Who?', context: 'It was Ada.' });
   * ```
   */
  load<Task extends TaskName | undefined = undefined>(
    reference: string,
    options?: LoadOptions<Task>,
  ): Promise<Model<Task>>;
  load(reference: string, options?: LoadOptions<TaskName | undefined>): Promise<Model> {
    if (options === undefined && this.#closing === undefined) {
      // The warm path: no query, no parsing, one map look-up.
      const current = this.parts.follower.current(reference);
      if (current !== undefined && this.parts.residency.ready(current.record.id) !== undefined) {
        return Promise.resolve(this.#modelOf(current.record));
      }
    }
    const { task, ...rest } = options ?? {};
    const loading = this.#load(reference, rest);
    return task === undefined ? loading : loading.then((model) => requireTask(model, task));
  }

  /** Answers with whatever version the reference means when the request arrives. @throws ModelkeepError as `Model.predict` */
  predict(
    reference: string,
    inputs: unknown,
    options: RequestOptions & Pick<TextWork['request'], 'parameters'> = {},
  ): Promise<Prediction> {
    const { parameters, ...request } = options;
    return this.parts.service.predict(
      reference,
      { inputs, ...(parameters === undefined ? {} : { parameters }) },
      request,
    );
  }

  /** Publishes a directory or file as the next version of a model. @throws ModelkeepError see `push` */
  push(path: string, options: PushOptions): Promise<Pushed> {
    return push(this.parts.store, path, options);
  }

  /**
   * Loads what a reference means and keeps it from eviction until the returned function is called. The version stays
   * pinned when the reference moves on.
   *
   * @throws ModelkeepError as {@link load}
   */
  async pin(reference: string, options: Abortable = {}): Promise<() => void> {
    const { record } = await this.parts.service.follow(reference, options);
    const unpin = this.parts.residency.pin(record.id);
    try {
      await this.parts.residency.ensure(record, options);
      return unpin;
    } catch (error) {
      unpin();
      throw error;
    }
  }

  /** What this node holds and follows now. */
  status(): ServiceStatus {
    return this.parts.service.status();
  }

  /** Lets requests in flight finish, ends the runners and gives everything back. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#closeStack.close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #load(reference: string, options: LoadOptions): Promise<Model> {
    if (this.#closing !== undefined) throw new ModelkeepError('CLOSED', 'This modelkeep is closed');
    const { service } = this.parts;
    const followed = await service.follow(reference, options);
    const record = options.key === undefined ? followed.record : service.versionFor(followed, options.key);
    // It may have been let go for room since it was followed.
    await this.parts.residency.ensure(record, options);
    return this.#modelOf(record);
  }

  #modelOf(record: VersionRecord): Model {
    let model = this.#models.get(record.id);
    if (model === undefined) {
      model = new Model(record, this.parts.service);
      this.#models.set(record.id, model);
    }
    return model;
  }
}
