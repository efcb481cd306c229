import { throwIfAborted, versionName, type GateResult, type VersionRecord } from '../core/index.js';
import type { ParityPolicy } from '../residency/index.js';
import type { TaskRequest } from '../tasks/index.js';
import type { Model } from './model.js';
import type { Modelkeep } from './modelkeep.js';
import { openModelkeep, type OpenOptions } from './open.js';

/** One of the versions that are measured side by side, alone in a runner process of its own. */
export interface Side {
  readonly record: VersionRecord;
  readonly keep: Modelkeep;
  readonly model: Model;
  /** Memory of its runner before it was loaded, in bytes. */
  readonly emptyBytes: number;
}

/** Requests that each version answers, in turns with the other. */
const REQUESTS = 50;
/** Requests before it is measured. */
const WARM_UP = 5;

/** Loads a version into a process of its own. @throws ModelkeepError what loading says; `GATE_FAILED` for its golden answers */
export async function openSide(
  options: OpenOptions,
  record: VersionRecord,
  parity: ParityPolicy,
  signal: AbortSignal | undefined,
): Promise<Side> {
  const alone = { runners: 1, memoryBudget: 0, idleUnloadMs: 0, compileAfter: 0 };
  const keep = await openModelkeep({ ...options, ...alone, parity });
  try {
    const emptyBytes = await runnerBytes(keep);
    const model = await keep.load(versionName(record), signal === undefined ? {} : { signal });
    return { record, keep, model, emptyBytes };
  } catch (error) {
    await keep.close();
    throw error;
  }
}

async function runnerBytes({ parts: { pool, pickles } }: Modelkeep): Promise<number> {
  const runners = [...pool.runners, ...(pickles?.runners ?? [])];
  const stats = await Promise.all(runners.map((runner) => runner.call('stats', { op: 'stats' })));
  return stats.reduce((sum, { result }) => sum + result.rssBytes, 0);
}

function ask({ model }: Side, { inputs, parameters }: TaskRequest): Promise<unknown> {
  return model.predict(inputs, parameters === undefined ? {} : { parameters });
}

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

/** Holds the median time of a lone request to that of the version before; the two take turns, so that both meet the same noise. */
export async function measureLatency(
  before: Side,
  after: Side,
  requests: readonly TaskRequest[],
  maxRatio: number,
  signal: AbortSignal | undefined,
): Promise<GateResult> {
  const timesMs = { before: [] as number[], after: [] as number[] };
  for (let turn = 0; turn < WARM_UP + REQUESTS; turn += 1) {
    throwIfAborted(signal);
    const request = requests[turn % requests.length];
    if (request === undefined) break;
    const order = turn % 2 === 0 ? (['before', 'after'] as const) : (['after', 'before'] as const);
    for (const which of order) {
      const startedMs = performance.now();
      await ask(which === 'before' ? before : after, request);
      if (turn >= WARM_UP) timesMs[which].push(performance.now() - startedMs);
    }
  }
  return ratioGate('latency', median(timesMs.before), median(timesMs.after), maxRatio, (ms) => `${ms.toFixed(2)} ms`);
}

/** Holds the memory that a version adds to its process, used, to that of the version before. */
export async function measureMemory(
  before: Side,
  after: Side,
  requests: readonly TaskRequest[],
  maxRatio: number,
  signal: AbortSignal | undefined,
): Promise<GateResult> {
  const added = async (side: Side): Promise<number> => {
    for (const request of requests.slice(0, REQUESTS)) {
      throwIfAborted(signal);
      await ask(side, request);
    }
    return Math.max(1, (await runnerBytes(side.keep)) - side.emptyBytes);
  };
  return ratioGate('memory', await added(before), await added(after), maxRatio, megabytes);
}

function ratioGate(
  gate: 'latency' | 'memory',
  before: number,
  after: number,
  maxRatio: number,
  show: (value: number) => string,
): GateResult {
  const ratio = after / before;
  const summary = `${show(before)} -> ${show(after)}, a ratio of ${ratio.toFixed(2)}, ${maxRatio} is allowed`;
  return {
    gate,
    outcome: ratio <= maxRatio ? 'passed' : 'failed',
    summary,
    figures: { before, after, ratio, maxRatio },
  };
}
