import { EventEmitter } from 'node:events';
import { asModelkeepError, ModelkeepError, openDeadline, parseReference, type VersionRecord } from '../core/index.js';
import {
  canonicalReference,
  type Follower,
  type Followed,
  type Lease,
  type Residency,
  type Resident,
} from '../residency/index.js';
import type { PicklePools, RunnerPool } from '../runners/index.js';
import { AnswerCache, type AnswerCacheCounts, type CacheOutcome } from './answer-cache.js';
import { checkParameters } from './check-parameters.js';
import type { Answered, TensorWork, TextWork } from './queue.js';
import type { ModelDescription, Prediction, RequestOptions, RequestReport, TensorPrediction } from './request.js';
import { taskToServe } from '../tasks/index.js';
import { Scheduler, type RunReport, type SchedulerLimits } from './scheduler.js';
import type { Shadow, ShadowReport } from './shadow.js';
import { statusOf, type ServiceStatus } from './status.js';
import { checkTokens, checkTokenTensors } from './text-length.js';
import { chooseRecord } from './traffic.js';
import { within } from './within.js';

/** What the service tells. */
export interface InferenceServiceEvents {
  request: [RequestReport];
  run: [RunReport];
  /** A shadow was asked what another version had answered. */
  compared: [ShadowReport];
}

/** What {@link InferenceService} is made of, and its limits. */
export interface InferenceServiceOptions extends SchedulerLimits {
  readonly residency: Residency;
  readonly follower: Follower;
  readonly pool: RunnerPool;
  /** For pickled models, where they are allowed. */
  readonly pickles?: PicklePools;
  /** For aliases that are shadowed; absent: nothing is compared. Borrowed. */
  readonly shadow?: Shadow;
  /** Tokens that one request may have, about; `0`: no limit. */
  readonly maxRequestTokens: number;
  /** Bytes of answers that are kept, about. `0`: none */
  readonly answerCache: number;
}

/** Answers requests: resolve, make ready, queue, run. Knows no protocol. */
export class InferenceService extends EventEmitter<InferenceServiceEvents> {
  readonly #options: InferenceServiceOptions;
  readonly #scheduler: Scheduler;
  readonly #answers: AnswerCache | undefined;
  #open = 0;
  #closed = false;
  #onDrained: (() => void) | undefined;

  constructor(options: InferenceServiceOptions) {
    super();
    this.#options = options;
    this.#answers = options.answerCache === 0 ? undefined : new AnswerCache(options.answerCache);
    this.#scheduler = new Scheduler({
      limits: options,
      events: options.pool.events,
      runners: () => [...options.pool.runners, ...(options.pickles?.runners ?? [])],
      onRun: (report) => {
        options.residency.answered(report.resident);
        this.emit('run', report);
      },
      onCrash: (resident, error) => options.residency.blame(resident.record, error),
    });
    options.residency.on('hosted', () => this.#scheduler.dispatch());
    options.shadow?.on('compared', (report) => this.emit('compared', report));
    options.follower.on('traffic', () => this.#keepShadows()).on('swapped', () => this.#keepShadows());
  }

  /**
   * The version that answers for a reference, made ready if need be.
   *
   * @throws ModelkeepError what resolving or loading says
   */
  async follow(reference: string, { freshness = 'watched', signal }: RequestOptions = {}): Promise<Followed> {
    const { follower } = this.#options;
    const text = canonicalReference(reference);
    const options = signal === undefined ? {} : { signal };
    const known = follower.current(text);
    if (known === undefined) return follower.follow(text, options);
    // What was opened just now was resolved just now; only what was known before needs a question.
    return freshness === 'checked' ? follower.check(known, options) : known;
  }

  /**
   * Answers one request of a text model.
   *
   * @param target a reference, or a version itself
   * @param request what is asked, or what makes it for the version that will answer; what that throws is the answer
   * @throws ModelkeepError `INVALID_INPUT` naming the field, `OVERLOADED`, `DEADLINE_EXCEEDED`, `CANCELLED`, or what
   * resolving or loading says
   */
  async predict(
    target: string | VersionRecord,
    request: TextWork['request'] | ((record: VersionRecord) => TextWork['request']),
    options: RequestOptions = {},
  ): Promise<Prediction> {
    const workFor = (record: VersionRecord): TextWork => {
      const asked = typeof request === 'function' ? request(record) : request;
      checkParameters(asked.parameters);
      checkTokens(asked.inputs, this.#options.maxRequestTokens);
      if (record.task === undefined) return { kind: 'predict', request: asked };
      const task = taskToServe(record.task, asked);
      return { kind: 'predict', request: task === record.task ? asked : { ...asked, task } };
    };
    const { answered, ...by } = await this.#answer(target, workFor, options);
    const { output, tokens } = answered;
    return { output, ...by, timing: answered, ...(tokens === undefined ? {} : { tokens }) };
  }

  /**
   * Why a request for a reference would be refused now, whatever it asks, and counts as one that was; undefined if it
   * may be taken. Asks nobody, and costs little.
   *
   * @throws ModelkeepError `INVALID_REFERENCE`
   */
  refusal(reference: string): ModelkeepError | undefined {
    const followed = this.#options.follower.current(canonicalReference(reference));
    // Where an alias is split, the key decides which queue it would be.
    if (followed === undefined || followed.shares !== undefined) return undefined;
    const resident = this.#options.residency.ready(followed.record.id);
    const error = resident === undefined ? undefined : this.#scheduler.refusal(resident);
    if (error !== undefined) this.emit('request', { reference, record: followed.record, error, durationMs: 0 });
    return error;
  }

  /** Runs a model on tensors. @throws ModelkeepError as {@link predict} */
  async infer(
    target: string | VersionRecord,
    work: Omit<TensorWork, 'kind'>,
    options: RequestOptions = {},
  ): Promise<TensorPrediction> {
    const workFor = ({ task }: VersionRecord): TensorWork => {
      if (task !== undefined) checkTokenTensors(work.tensors, this.#options.maxRequestTokens);
      return { kind: 'infer', ...work };
    };
    const { answered, ...by } = await this.#answer(target, workFor, options);
    return { tensors: answered.tensors ?? {}, ...by, timing: answered };
  }

  /** What a model takes and gives; loads it if need be. @throws ModelkeepError what resolving or loading says */
  async describe(reference: string, options: RequestOptions = {}): Promise<ModelDescription> {
    const { record } = await this.follow(reference, options);
    const { loaded, form } = await this.#options.residency.ensure(record, options);
    return { record, inputs: [], outputs: [], form, ...loaded };
  }

  /**
   * True if the version behind a reference can answer at once. One that is known and cannot begins to load, so that a
   * client that waits until it is ready, as those of Triton and KServe do, does not wait for ever.
   *
   * @throws ModelkeepError what resolving says, such as `MODEL_NOT_FOUND`
   */
  async becomesReady(reference: string, options: RequestOptions = {}): Promise<boolean> {
    if (this.isReady(reference)) return true;
    const { signal } = options;
    return this.#options.follower.begin(canonicalReference(reference), signal === undefined ? {} : { signal });
  }

  /** True if the version behind a reference can answer at once. Asks nobody. @throws ModelkeepError `INVALID_REFERENCE` */
  isReady(reference: string): boolean {
    const { follower, residency } = this.#options;
    const followed = follower.current(canonicalReference(reference));
    if (followed !== undefined) return residency.ready(followed.record.id) !== undefined;
    // A number always means the same version, whoever asked for it by whatever name.
    const { model, selector } = parseReference(reference);
    return residency.residents.some(
      ({ record, state }) =>
        state === 'ready' &&
        record.model === model &&
        selector.kind === 'version' &&
        record.version === selector.version,
    );
  }

  /** Which of the versions that share a reference answers for a key. @throws ModelkeepError `INVALID_INPUT` */
  versionFor(followed: Followed, key: string): VersionRecord {
    return chooseRecord(followed, key);
  }

  /** What this node holds and follows now. */
  status(): ServiceStatus {
    return statusOf(this.#options, this.#scheduler);
  }

  /** True if a runner serves; false while all of them hung or ended and no other is there yet. */
  get ready(): boolean {
    return this.#options.pool.runners.length > 0;
  }

  /** Takes no new request and resolves when those in flight are answered. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    if (this.#open > 0) await new Promise<void>((resolve) => (this.#onDrained = resolve));
    this.#scheduler.close();
  }

  /** Versions that shadow nothing any more are let go. */
  #keepShadows(): void {
    const { follower, shadow } = this.#options;
    shadow?.keepOnly(new Set(follower.followed.flatMap((followed) => followed.shadow?.id ?? [])));
  }

  async #answer(
    target: string | VersionRecord,
    workFor: (record: VersionRecord) => TextWork | TensorWork,
    options: RequestOptions,
  ): Promise<Pick<Prediction, 'record' | 'form'> & { readonly answered: Answered }> {
    if (this.#closed) throw new ModelkeepError('CLOSED', 'This modelkeep is closed');
    const startedMs = performance.now();
    const reference = typeof target === 'string' ? target : `${target.model}:${target.version}`;
    const { traceContext } = options;
    const asked = { reference, ...(traceContext === undefined ? {} : { traceContext }) };
    const deadline = openDeadline(options.timeoutMs ?? this.#options.requestTimeoutMs, options.signal);
    const { signal } = deadline;
    const patience = options.patient === true ? { patient: true } : {};
    let lease: Leased | undefined;
    this.#open += 1;
    try {
      lease = await this.#lease(target, { ...options, signal });
      const { resident } = lease;
      const { record, form } = resident;
      const work = workFor(record);
      const submit = (): Promise<Answered> => this.#scheduler.submit(resident, work, { ...deadline, ...patience });
      const { answered, cached } = await this.#kept({ resident, work, rights: options.rights, signal }, submit);
      const timed = cached === undefined || cached === 'miss' ? { timing: answered } : {};
      this.emit('request', { ...asked, record, ...timed, cached, durationMs: performance.now() - startedMs });
      if (lease.shadow !== undefined)
        this.#options.shadow?.offer(lease.shadow, { reference, record, workFor, answered });
      return { answered, record, form };
    } catch (thrown) {
      const error = asModelkeepError(thrown);
      const record = lease?.resident.record;
      this.emit('request', {
        ...asked,
        error,
        durationMs: performance.now() - startedMs,
        ...(record === undefined ? {} : { record }),
      });
      throw error;
    } finally {
      lease?.release();
      deadline.clear();
      this.#open -= 1;
      if (this.#open === 0) this.#onDrained?.();
    }
  }

  /** What is kept, or what `submit` gives. */
  async #kept(
    { resident, work, rights, signal }: Asking,
    submit: () => Promise<Answered>,
  ): Promise<{ readonly answered: Answered; readonly cached?: CacheOutcome }> {
    if (this.#answers === undefined || rights === undefined || work.kind !== 'predict') {
      return { answered: await submit() };
    }
    const { record, form } = resident;
    const { answered, outcome } = await this.#answers.answer(
      { record, form, request: work.request, rights },
      submit,
      signal,
    );
    return { answered, cached: outcome };
  }

  /** What is kept of answers; undefined where none are. */
  get answerCache(): AnswerCacheCounts | undefined {
    return this.#answers?.counts;
  }

  /** A lease on what answers; a version that is just being let go is simply kept. */
  async #lease(target: string | VersionRecord, options: RequestOptions): Promise<Leased> {
    const { residency, follower } = this.#options;
    const abortable = options.signal === undefined ? {} : { signal: options.signal };
    if (typeof target !== 'string') return residency.ready(target.id)?.lease() ?? residency.acquire(target, abortable);
    for (;;) {
      const followed = await this.follow(target, options);
      const { text, moving, shadow } = followed;
      if (moving !== undefined) {
        await within(moving, options.signal);
        continue;
      }
      const record = chooseRecord(followed, options.key);
      const compared = shadow === undefined ? {} : { shadow };
      const resident = residency.ready(record.id);
      if (resident !== undefined) return { ...resident.lease(), ...compared };
      // Taking back what a swap has just let go would keep it for ever: what came in its place answers.
      if (follower.current(text) === followed) return { ...(await residency.acquire(record, abortable)), ...compared };
    }
  }
}

/** A request on its way to a runner. */
interface Asking {
  readonly resident: Resident;
  readonly work: TextWork | TensorWork;
  readonly rights: string | undefined;
  readonly signal: AbortSignal;
}

/** A lease on what answers, and the version that is to be compared with it. */
type Leased = Lease & { readonly shadow?: VersionRecord };
