import { EventEmitter } from 'node:events';
import type { Resident } from '../../../src/residency/index.js';
import type { Answered } from '../../../src/serving/queue.js';
import type { RunnerEmitter } from '../../../src/runners/index.js';
import { Scheduler, type RunReport, type SchedulerLimits } from '../../../src/serving/scheduler.js';
import { FakeRunner, type FakeRun } from './fake-runner.js';

/** A scheduler over fake runners, whose runs end when the test says so. */
export interface Bench {
  readonly runs: FakeRun[];
  readonly runners: FakeRunner[];
  readonly reports: RunReport[];
  /** Models that were blamed for the end of a runner. */
  readonly blamed: string[];
  readonly scheduler: Scheduler;
  ask(resident: Resident, input: unknown, signal?: AbortSignal): Promise<Answered>;
  /** Ends a run and lets what follows from it happen. */
  end(run: FakeRun | undefined, how?: (run: FakeRun) => void): Promise<void>;
}

/** Opens a {@link Bench}. */
export function benchOf(options: Partial<SchedulerLimits> & { runners?: number } = {}): Bench {
  const { runners: count = 1, maxQueue = 100, maxQueueMs = 0, maxBatchRequests = 32, maxBatchTokens = 512 } = options;
  const runs: FakeRun[] = [];
  const reports: RunReport[] = [];
  const blamed: string[] = [];
  const events: RunnerEmitter = new EventEmitter();
  const runners = Array.from({ length: count }, () => new FakeRunner(runs, events));
  const scheduler = new Scheduler({
    limits: { maxQueue, maxQueueMs, maxBatchRequests, maxBatchTokens, requestTimeoutMs: 1_000 },
    events,
    runners: () => runners.map((runner) => runner.asRunner()),
    onRun: (report) => reports.push(report),
    onCrash: ({ record }) => blamed.push(record.model),
  });
  return {
    runs,
    runners,
    reports,
    blamed,
    scheduler,
    ask: (resident, input, signal) =>
      scheduler.submit(
        resident,
        { kind: 'predict', request: { inputs: input } },
        signal === undefined ? {} : { signal },
      ),
    end: async (run, how = (one) => one.answer()) => {
      if (run === undefined) throw new Error('There is no such run');
      how(run);
      // All that a run's end leads to is promise jobs, and those are done before a macrotask.
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
}
