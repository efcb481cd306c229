import { asModelkeepError, errorFromJson, ModelkeepError, versionName } from '../core/index.js';
import type { Resident } from '../residency/index.js';
import {
  LONGEST_CALL_MS,
  type PredictReply,
  type Runner,
  type RunnerEmitter,
  type RunnerReply,
} from '../runners/index.js';
import { VersionQueue, type Answered, type Job, type RunLimits, type TensorWork, type TextWork } from './queue.js';

/** Limits of the queues. */
export interface SchedulerLimits extends RunLimits {
  /** Requests of one version that may wait; the next one is refused with `OVERLOADED`. */
  readonly maxQueue: number;
  /**
   * Milliseconds after which a request of a version would be answered, by what the runs so far took; one that would
   * wait longer is refused with `OVERLOADED`. `0`: no bound.
   */
  readonly maxQueueMs: number;
  /** Time that a request may take, in ms; `0`: no limit. A runner that takes {@link HUNG_FACTOR} times as long is hung. */
  readonly requestTimeoutMs: number;
}

/** What a request of {@link Scheduler.submit} may cost its caller. */
export interface SubmitOptions {
  /** Gives the request up. */
  readonly signal?: AbortSignal;
  /** When the answer is of no use any more, in ms of the monotonic clock. @defaultValue never */
  readonly deadlineMs?: number;
  /** Bounded by the number of those that wait alone. @defaultValue false */
  readonly patient?: boolean;
}

/** What a scheduler tells of a finished run. */
export interface RunReport {
  readonly resident: Resident;
  readonly requests: number;
  readonly reply: PredictReply;
}

/** Requests that go to a runner together. */
interface Run {
  readonly runner: Runner;
  readonly jobs: readonly Job[];
  /** Nothing else waits or runs. */
  readonly lone: boolean;
}

/**
 * How many times the limit of its requests a run may take before its runner is taken for hung. Above 1, since a runner
 * that is merely slow answers the next request, and killing it costs all that it holds.
 */
export const HUNG_FACTOR = 2;

/** Shortest and longest time after which a refused client is asked to try again, in ms. */
const RETRY_AFTER_MS = { least: 1_000, most: 60_000 };

/**
 * One bounded queue a version. A free runner takes what waits at once: the oldest request and others of about its
 * length, up to a budget of tokens, and no more than its share where several are free. The versions take turns. Nothing
 * waits for company; batches form because requests arrive while runners are busy.
 *
 * The life of a job: `submit` puts it into the queue of its version; `dispatch` takes it out for a run; the run settles it
 * with an answer or an error. A job whose runner hung or ended is put back once, and then runs alone. Whoever gives up, or
 * whose time is over, settles it at once, wherever it is; a run under way goes on, and its answer to that job is dropped.
 */
export class Scheduler {
  readonly #limits: SchedulerLimits;
  readonly #runners: () => readonly Runner[];
  readonly #onRun: (report: RunReport) => void;
  readonly #onCrash: ((resident: Resident, error: ModelkeepError) => void) | undefined;
  readonly #events: RunnerEmitter;
  /** Runners with a run of this scheduler; what waits is dispatched when the run has settled its jobs. */
  readonly #running = new Set<Runner>();
  readonly #queues = new WeakMap<Resident, VersionQueue>();
  /** The queues in which something waits. */
  readonly #waiting = new Set<VersionQueue>();
  #turn = 0;

  constructor(options: {
    readonly limits: SchedulerLimits;
    readonly runners: () => readonly Runner[];
    /** Where these runners tell that they are free. */
    readonly events: RunnerEmitter;
    readonly onRun: (report: RunReport) => void;
    /** A version made its runner hang, or a request that was alone in its runner ended it after another had ended on it. */
    readonly onCrash?: ((resident: Resident, error: ModelkeepError) => void) | undefined;
  }) {
    this.#limits = options.limits;
    this.#runners = options.runners;
    this.#onRun = options.onRun;
    this.#onCrash = options.onCrash;
    this.#events = options.events;
    this.#events.on('mode', this.#onMode);
  }

  /** Hears of runners no longer. */
  close(): void {
    this.#events.off('mode', this.#onMode);
  }

  /** A runner has ended loading, warming or unloading: what waited for it meanwhile can be asked now. */
  readonly #onMode = (runner: Runner): void => {
    if (runner.mode === 'free' && !this.#running.has(runner)) this.dispatch();
  };

  /** Requests that wait, by version name. */
  get waiting(): Readonly<Record<string, number>> {
    return Object.fromEntries([...this.#waiting].map(({ resident, length }) => [versionName(resident.record), length]));
  }

  /**
   * Waits for a turn and answers. The caller holds a lease on `resident`.
   *
   * @throws ModelkeepError `OVERLOADED` at once if the queue is full, with `details.retryAfterMs`; `CANCELLED` or
   * `DEADLINE_EXCEEDED` when the signal fires or the time is over, before work starts or during it; else what the run says
   */
  submit(resident: Resident, work: TextWork | TensorWork, options: SubmitOptions = {}): Promise<Answered> {
    const { signal, deadlineMs = Number.POSITIVE_INFINITY, patient = false } = options;
    if (signal?.aborted === true) return Promise.reject(asModelkeepError(signal.reason, 'CANCELLED'));
    const queue = this.#queueOf(resident);
    const refusal = this.#refusal(queue, patient);
    if (refusal !== undefined) return Promise.reject(refusal);
    return new Promise<Answered>((resolve, reject) => {
      const onAbort = (): void => {
        queue.remove(job);
        if (queue.length === 0) this.#waiting.delete(queue);
        job.settle(asModelkeepError(signal?.reason, 'CANCELLED'));
      };
      const settle = (outcome: Answered | ModelkeepError): void => {
        signal?.removeEventListener('abort', onAbort);
        job.settled = true;
        if (outcome instanceof ModelkeepError) reject(outcome);
        else resolve(outcome);
      };
      const arrivedMs = performance.now();
      const job: Job = queue.push({ work, arrivedMs, deadlineMs, tries: 0, settled: false, settle });
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#waiting.add(queue);
      this.dispatch();
    });
  }

  /** Why a request for a version would be refused now; undefined if it would be taken. */
  refusal(resident: Resident): ModelkeepError | undefined {
    const queue = this.#queues.get(resident);
    return queue === undefined ? undefined : this.#refusal(queue, false);
  }

  /** Gives free runners what waits; to be called also when a runner has come to hold a version. */
  dispatch(): void {
    while (this.#waiting.size > 0) {
      const runners = this.#runners();
      const free = runners.filter(({ mode }) => mode === 'free');
      const queue = this.#next(free);
      if (queue === undefined) return;
      this.#settleLate(queue);
      const able = free.filter((runner) => queue.resident.runners.has(runner));
      const jobs = queue.take(this.#limits, able.length);
      if (queue.length === 0) this.#waiting.delete(queue);
      if (jobs.length === 0) continue;
      queue.lastTurn = ++this.#turn;
      const lone = jobs.length === 1 && this.#waiting.size === 0 && free.length === runners.length;
      void this.#run(queue, { runner: able[0]!, jobs, lone });
    }
  }

  /** The queue whose turn it is: of those that a free runner can serve, the one whose last turn is longest ago. */
  #next(free: readonly Runner[]): VersionQueue | undefined {
    let next: VersionQueue | undefined;
    for (const queue of this.#waiting) {
      if (next !== undefined && next.lastTurn <= queue.lastTurn) continue;
      if (free.some((runner) => queue.resident.runners.has(runner))) next = queue;
    }
    return next;
  }

  #queueOf(resident: Resident): VersionQueue {
    let queue = this.#queues.get(resident);
    if (queue === undefined) {
      queue = new VersionQueue(resident);
      this.#queues.set(resident, queue);
    }
    return queue;
  }

  /** Why a queue takes nothing more, if it is full. */
  #refusal(queue: VersionQueue, patient: boolean): ModelkeepError | undefined {
    const { maxQueue } = this.#limits;
    const maxQueueMs = patient ? 0 : this.#limits.maxQueueMs;
    const waitMs = this.#waitMs(queue);
    const isFull = queue.length >= maxQueue;
    if (!isFull && (maxQueueMs === 0 || waitMs < maxQueueMs)) return undefined;
    const { least, most } = RETRY_AFTER_MS;
    const retryAfterMs = Math.min(most, Math.max(least, Math.ceil(waitMs)));
    const seconds = Math.ceil(retryAfterMs / 1_000);
    const waiting = `${queue.length} requests are waiting for ${versionName(queue.resident.record)} already`;
    const bound = isFull ? `no more than ${maxQueue} may` : `they take longer than ${maxQueueMs} ms`;
    return new ModelkeepError('OVERLOADED', `${waiting}, and ${bound}: try again in ${seconds} s`, {
      details: { retryAfterMs, waiting: queue.length },
    });
  }

  /** How long what waits in a queue takes, if it shares its runners with the other queues in which something waits. */
  #waitMs(queue: VersionQueue): number {
    const sharing = this.#waiting.has(queue) ? this.#waiting.size : this.#waiting.size + 1;
    return queue.waitMs(queue.resident.runners.size) * sharing;
  }

  /** Work whose answer would come too late is not begun. Its timer may be late where the event loop was busy. */
  #settleLate(queue: VersionQueue): void {
    for (const job of queue.takeLate(performance.now()))
      job.settle(new ModelkeepError('DEADLINE_EXCEEDED', 'The time for the request was over before its turn came'));
  }

  async #run(queue: VersionQueue, run: Run): Promise<void> {
    const { jobs, runner } = run;
    const startedMs = performance.now();
    for (const job of jobs) job.tries += 1;
    this.#running.add(runner);
    try {
      const [first] = jobs;
      if (first!.work.kind === 'infer') await this.#infer(queue, runner, first!, first!.work, startedMs);
      else await this.#predict(queue, run, startedMs);
    } catch (error) {
      this.#failed(queue, run, asModelkeepError(error));
    } finally {
      this.#running.delete(runner);
    }
    this.dispatch();
  }

  /** How long a run may take before its runner is hung: a multiple of the time that its most patient request has. */
  #limitMs(jobs: readonly Job[], startedMs: number): number {
    const usual = this.#limits.requestTimeoutMs === 0 ? LONGEST_CALL_MS : HUNG_FACTOR * this.#limits.requestTimeoutMs;
    return jobs.reduce((most, { deadlineMs }) => {
      const own = deadlineMs === Number.POSITIVE_INFINITY ? LONGEST_CALL_MS : HUNG_FACTOR * (deadlineMs - startedMs);
      return Math.max(most, own);
    }, usual);
  }

  async #predict(queue: VersionQueue, { runner, jobs, lone }: Run, startedMs: number): Promise<void> {
    const { resident, pace } = queue;
    const requests = jobs.map(({ work }) => (work as TextWork).request);
    const { maxBatchTokens: maxTokens } = this.#limits;
    const message = { op: 'predict', key: resident.record.id, requests, maxTokens, ...(lone ? { lone } : {}) } as const;
    const limitMs = this.#limitMs(jobs, startedMs);
    const { result }: RunnerReply<'predict'> = await runner.call('predict', message, {}, { limitMs });
    const { tokenizeMs, runMs, tokens } = result;
    jobs.forEach((job, index) => {
      const answer = result.answers[index]!;
      if ('error' in answer) job.settle(errorFromJson(answer.error));
      else job.settle({ ...answer, queueMs: startedMs - job.arrivedMs, tokenizeMs, runMs });
    });
    pace.ran(
      jobs.map(({ size }) => size),
      tokens,
      performance.now() - startedMs,
    );
    this.#onRun({ resident, requests: jobs.length, reply: result });
  }

  async #infer(
    { resident: { record }, pace }: VersionQueue,
    runner: Runner,
    job: Job,
    { tensors, outputs }: TensorWork,
    startedMs: number,
  ): Promise<void> {
    const message = { op: 'infer', key: record.id, ...(outputs === undefined ? {} : { outputs }) } as const;
    const reply = await runner.call('infer', message, tensors, { limitMs: this.#limitMs([job], startedMs) });
    const runMs = performance.now() - startedMs;
    pace.ranTensors(job.size, runMs);
    job.settle({ tensors: reply.tensors, queueMs: startedMs - job.arrivedMs, tokenizeMs: 0, runMs });
  }

  /**
   * After the end of a runner each of its requests is tried once more, alone, so that one that kills harms no other. The
   * requests that made it hang have given up by then, so that the version is blamed at once; for a runner that merely
   * ended it is blamed if one of them was tried before, since the system may have ended the first.
   */
  #failed(queue: VersionQueue, { jobs, runner }: Run, error: ModelkeepError): void {
    const isGone = !runner.alive || error.code === 'RUNNER_CRASHED';
    if (isGone && (runner.mode === 'hung' || jobs.some(({ tries }) => tries > 1)))
      this.#onCrash?.(queue.resident, error);
    const again = isGone ? jobs.filter(({ tries, settled }) => tries < 2 && !settled) : [];
    for (const job of jobs) if (!again.includes(job)) job.settle(error);
    if (again.length === 0) return;
    queue.putBack(again);
    this.#waiting.add(queue);
  }
}
