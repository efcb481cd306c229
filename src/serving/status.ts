import type { Precision, TrafficShare } from '../core/index.js';
import type { Follower, Residency, ResidencyState, StoreHealth } from '../residency/index.js';
import type { PicklePools, RunnerMode, RunnerPool } from '../runners/index.js';
import type { Scheduler } from './scheduler.js';

/** What a reference means on a node. */
export interface FollowedStatus {
  readonly reference: string;
  readonly version: number;
  readonly since: Date;
  /** Where the alias is split: who gets how much. */
  readonly shares?: readonly TrafficShare[];
  /** The version that shadows it. */
  readonly shadow?: number;
}

/** What a node holds and follows. */
export interface ServiceStatus {
  readonly store: StoreHealth;
  readonly follows: readonly FollowedStatus[];
  readonly holds: readonly {
    readonly model: string;
    readonly version: number;
    readonly state: ResidencyState;
    readonly since: Date;
    readonly leases: number;
    readonly bytes: number;
    readonly runners: number;
    readonly pinned: boolean;
    /** The precision in which it answers. */
    readonly precision: Precision;
    /** True if its compiled form answers. */
    readonly compiled: boolean;
  }[];
  readonly waiting: Readonly<Record<string, number>>;
  readonly runners: readonly { readonly pid: number; readonly mode: RunnerMode; readonly inFlight: number }[];
  /** Runners that should serve and do not: they hung or ended, and others are not there yet. */
  readonly runnersMissing: number;
  /** Runners that hung since the start. */
  readonly runnersHung: number;
  /** Runners that hung or ended unexpectedly since the start. */
  readonly runnerRestarts: number;
}

/** What a status is read from. */
export interface StatusSources {
  readonly follower: Follower;
  readonly residency: Residency;
  readonly pool: RunnerPool;
  readonly pickles?: PicklePools | undefined;
}

/** What a node holds and follows now; asks nobody. */
export function statusOf(
  { follower, residency, pool, pickles }: StatusSources,
  { waiting }: Pick<Scheduler, 'waiting'>,
): ServiceStatus {
  const alive = [...pool.runners, ...(pickles?.runners ?? [])];
  return {
    store: follower.health,
    follows: follower.followed.map(({ text, record, since, shares, shadow: shadowed }) => ({
      reference: text,
      version: record.version,
      since,
      ...(shares === undefined
        ? {}
        : { shares: shares.map((share) => ({ version: share.record.version, percent: share.percent })) }),
      ...(shadowed === undefined ? {} : { shadow: shadowed.version }),
    })),
    holds: residency.residents.map(({ record, state, since, leases, runners, form }) => {
      const { id, model, version, size } = record;
      const pinned = residency.isPinned(id);
      return { model, version, state, since, leases, bytes: size, runners: runners.size, pinned, ...form };
    }),
    waiting,
    runners: alive.map(({ pid, mode, inFlight }) => ({ pid, mode, inFlight })),
    runnersMissing: pool.missing + (pickles?.missing ?? 0),
    runnersHung: pool.hung + (pickles?.hung ?? 0),
    runnerRestarts: pool.restarts + (pickles?.restarts ?? 0),
  };
}
