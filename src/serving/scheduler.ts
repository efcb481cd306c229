import { asModelkeepError, errorFromJson, ModelkeepError, versionName } from '../core/index.js';
import type { Resident } from '../residency/index.js';
import type { PredictReply, Runner, RunnerReply, Tensors } from '../runners/index.js';

/** What one request cost, in ms. */
export interface RequestTiming {
  /** From its arrival to the start of the run that answered it. */
  readonly queueMs: number;
  /** Tokenizing and finishing of the run that answered it, all its requests together. */
  readonly tokenizeMs: number;
  /** The session's time in that run. */
  readonly runMs: number;
}

/** Asks for an answer of the task. */
export interface TextWork {
  readonly kind: 'predict';
  readonly request: { readonly inputs: unknown; readonly parameters?: Readonly<Record<string, unknown>> };
}

/** Asks for one run on tensors. */
export interface TensorWork {
  readonly kind: 'infer';
  readonly tensors: Tensors;
  readonly outputs?: readonly string[];
}

/** The answer to a {@link TextWork} (`output`) or a {@link TensorWork} (`tensors`). */
export interface Answered extends RequestTiming {
  readonly output?: unknown;
  /** Tokens of the request. */
  readonly tokens?: number;
  readonly tensors?: Tensors;
}

/** Limits of the queues. */
export interface SchedulerLimits {
  /** Requests of one version that may wait; the next one is refused with `OVERLOADED`. */
  readonly maxQueue: number;
  /** Requests that one run takes at the most. */
  readonly maxBatchRequests: number;
}

interface Job {
  readonly work: TextWork | TensorWork;
  readonly arrivedMs: number;
  /** Runs that it was part of. */
  tries: number;
  /** True once it was answered, refused or given up. */
  settled: boolean;
  settle(outcome: Answered | ModelkeepError): void;
}

interface Queue {
  readonly resident: Resident;
  jobs: Job[];
}

/** What a scheduler tells of a finished run. */
export interface RunReport {
  readonly resident: Resident;
  readonly requests: number;
  readonly reply: PredictReply;
}

/**
 * One bounded queue a version. A free runner takes what waits at once, an equal share where several are free, and the
 * versions take turns. Nothing waits for company; batches form because requests arrive while runners are busy.
 */
export class Scheduler {
  readonly #limits: SchedulerLimits;
  readonly #runners: () => readonly Runner[];
  readonly #onRun: (report: RunReport) => void;
  readonly #onCrash: ((resident: Resident, error: ModelkeepError) => void) | undefined;
  /** In the order of turns: the queue that was served last is at the end. */
  #queues: Queue[] = [];

  constructor(options: {
    readonly limits: SchedulerLimits;
    readonly runners: () => readonly Runner[];
    readonly onRun: (report: RunReport) => void;
    /** A request that was alone in its runner ended it, after another runner had ended on it before. */
    readonly onCrash?: (resident: Resident, error: ModelkeepError) => void;
  }) {
    this.#limits = options.limits;
    this.#runners = options.runners;
    this.#onRun = options.onRun;
    this.#onCrash = options.onCrash;
  }

  /** Requests that wait, by version name. */
  get waiting(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#queues.map(({ resident, jobs }) => [versionName(resident.record), jobs.length]));
  }

  /**
   * Waits for a turn and answers. The caller holds a lease on `resident`.
   *
   * @throws ModelkeepError `OVERLOADED` at once if the queue is full; `CANCELLED` or `DEADLINE_EXCEEDED` when the
   * signal fires, before work starts or during it; else what the run says
   */
  submit(resident: Resident, work: TextWork | TensorWork, signal?: AbortSignal): Promise<Answered> {
    if (signal?.aborted === true) return Promise.reject(asModelkeepError(signal.reason, 'CANCELLED'));
    const queue = this.#queueOf(resident);
    if (queue.jobs.length >= this.#limits.maxQueue) {
      const message = `${queue.jobs.length} requests are waiting for ${versionName(resident.record)} already: try again in a second`;
      return Promise.reject(new ModelkeepError('OVERLOADED', message));
    }
    return new Promise<Answered>((resolve, reject) => {
      const onAbort = (): void => {
        this.#remove(resident, job);
        job.settle(asModelkeepError(signal?.reason, 'CANCELLED'));
      };
      const settle = (outcome: Answered | ModelkeepError): void => {
        signal?.removeEventListener('abort', onAbort);
        job.settled = true;
        if (outcome instanceof ModelkeepError) reject(outcome);
        else resolve(outcome);
      };
      const job: Job = { work, arrivedMs: performance.now(), tries: 0, settled: false, settle };
      signal?.addEventListener('abort', onAbort, { once: true });
      queue.jobs.push(job);
      this.dispatch();
    });
  }

  /** Gives free runners what waits; to be called also when a runner has come to hold a version. */
  dispatch(): void {
    for (;;) {
      const free = this.#runners().filter((runner) => runner.alive && runner.inFlight === 0);
      const queue = this.#queues.find(
        ({ jobs, resident }) => jobs.length > 0 && free.some((runner) => resident.runners.has(runner)),
      );
      if (queue === undefined) return;
      const able = free.filter((runner) => queue.resident.runners.has(runner));
      void this.#run(queue, able[0]!, this.#take(queue, able.length));
    }
  }

  #queueOf(resident: Resident): Queue {
    let queue = this.#queues.find((one) => one.resident === resident);
    if (queue === undefined) {
      queue = { resident, jobs: [] };
      this.#queues.push(queue);
    }
    return queue;
  }

  /** Takes a job out of its queue, if it still waits. */
  #remove(resident: Resident, job: Job): void {
    const queue = this.#queues.find((one) => one.resident === resident);
    if (queue === undefined) return;
    queue.jobs = queue.jobs.filter((other) => other !== job);
    if (queue.jobs.length === 0) this.#queues = this.#queues.filter((other) => other !== queue);
  }

  /** A runner's share of the queue: jobs of one kind, a tensor run or a repeated one alone. */
  #take(queue: Queue, freeRunners: number): Job[] {
    const share = Math.min(Math.ceil(queue.jobs.length / freeRunners), this.#limits.maxBatchRequests);
    const lone = (job: Job): boolean => job.work.kind === 'infer' || job.tries > 0;
    let count = 1;
    if (!lone(queue.jobs[0]!)) while (count < share && !lone(queue.jobs[count]!)) count += 1;
    const taken = queue.jobs.splice(0, count);
    this.#queues = this.#queues.filter((other) => other !== queue);
    if (queue.jobs.length > 0) this.#queues.push(queue);
    return taken;
  }

  async #run(queue: Queue, runner: Runner, jobs: readonly Job[]): Promise<void> {
    const startedMs = performance.now();
    for (const job of jobs) job.tries += 1;
    try {
      const [first] = jobs;
      if (first!.work.kind === 'infer') await this.#infer(queue.resident, runner, first!, first!.work, startedMs);
      else await this.#predict(queue.resident, runner, jobs, startedMs);
    } catch (error) {
      this.#failed(queue.resident, jobs, asModelkeepError(error));
    }
    this.dispatch();
  }

  async #predict(resident: Resident, runner: Runner, jobs: readonly Job[], startedMs: number): Promise<void> {
    const requests = jobs.map(({ work }) => (work as TextWork).request);
    const { result }: RunnerReply<'predict'> = await runner.call('predict', {
      op: 'predict',
      key: resident.record.id,
      requests,
    });
    const { tokenizeMs, runMs } = result;
    jobs.forEach((job, index) => {
      const answer = result.answers[index]!;
      if ('error' in answer) job.settle(errorFromJson(answer.error));
      else job.settle({ ...answer, queueMs: startedMs - job.arrivedMs, tokenizeMs, runMs });
    });
    this.#onRun({ resident, requests: jobs.length, reply: result });
  }

  async #infer(
    { record }: Resident,
    runner: Runner,
    job: Job,
    { tensors, outputs }: TensorWork,
    startedMs: number,
  ): Promise<void> {
    const message = { op: 'infer', key: record.id, ...(outputs === undefined ? {} : { outputs }) } as const;
    const reply = await runner.call('infer', message, tensors);
    job.settle({
      tensors: reply.tensors,
      queueMs: startedMs - job.arrivedMs,
      tokenizeMs: 0,
      runMs: performance.now() - startedMs,
    });
  }

  /** After the end of a runner each of its requests is tried once more, alone, so that one that kills harms no other. */
  #failed(resident: Resident, jobs: readonly Job[], error: ModelkeepError): void {
    if (error.code === 'RUNNER_CRASHED' && jobs.some(({ tries }) => tries > 1)) this.#onCrash?.(resident, error);
    const again = error.code === 'RUNNER_CRASHED' ? jobs.filter(({ tries, settled }) => tries < 2 && !settled) : [];
    for (const job of jobs) if (!again.includes(job)) job.settle(error);
    if (again.length > 0) this.#queueOf(resident).jobs.unshift(...again);
  }
}
