import { ModelkeepError } from './errors.js';
import type { GateResult } from './gate.js';

/** Why an alias was moved: `set` by hand, `promote`, `rollback` by a person, `automatic-rollback` by a node. */
export type MoveAction = 'set' | 'promote' | 'rollback' | 'automatic-rollback';

/** The last move of an alias: what a lost race is told, and where a rollback goes. */
export interface LastMove {
  /** By the clock of the machine that moved it; order is told by `revision`, never by this. */
  readonly at: Date;
  /** Where it pointed before; absent if the alias was new. */
  readonly from?: number;
  readonly by?: string;
  readonly message?: string;
  readonly action?: MoveAction;
}

/** A movable name of a version. */
export interface AliasRecord {
  readonly model: string;
  readonly alias: string;
  readonly version: number;
  /** Grows by one with each change of the alias; what compare-and-set compares. */
  readonly revision: number;
  /** Absent for an alias that an older release moved last. */
  readonly moved?: LastMove;
  /** What guards it. @defaultValue the defaults of each field */
  readonly policy?: AliasPolicy;
  /** How its requests are shared. @defaultValue all go to `version` */
  readonly traffic?: AliasTraffic;
}

/**
 * How the requests of an alias are shared: `split` among versions by whole or fractional percents that add to 100, one
 * of them the alias's own version; or `shadow`: its own version answers, another one answers too and is only compared.
 */
export type AliasTraffic =
  | { readonly kind: 'split'; readonly shares: readonly TrafficShare[] }
  | { readonly kind: 'shadow'; readonly version: number };

/** A version's share of the requests of an alias. */
export interface TrafficShare {
  readonly version: number;
  /** Above 0, at most 100. */
  readonly percent: number;
}

/** What guards an alias. */
export interface AliasPolicy {
  /** Moves need a message and, over HTTP, the scope `admin`. @defaultValue false */
  readonly protected?: boolean;
  readonly gates?: GatePolicy;
  /** Absent: a node never moves the alias back by itself. */
  readonly autoRollback?: AutoRollbackPolicy;
}

/** Which gates a version must pass before it answers for an alias. */
export interface GatePolicy {
  /**
   * Every node recomputes the golden outputs before the version answers. `on`: also refuses a version without golden
   * examples. @defaultValue checked where the version has golden examples
   */
  readonly parity?: 'on' | 'off';
  /** Largest difference of a number from its golden one. @defaultValue 0.001 */
  readonly parityTolerance?: number;
  /**
   * `promote` measures on the stored evaluation set. `on`: also refuses where there is none. @defaultValue measured
   * where a version of the model has an evaluation set
   */
  readonly quality?: 'on' | 'off';
  /** Largest drop of the task's figure against the version now serving. @defaultValue 0.01 */
  readonly maxDrop?: number;
  /** Largest ratio of the median latency to that of the version now serving. @defaultValue not measured */
  readonly maxLatencyRatio?: number;
  /** Largest ratio of the memory to that of the version now serving. @defaultValue not measured */
  readonly maxMemoryRatio?: number;
}

/** When a node moves an alias back to the version before, by itself. */
export interface AutoRollbackPolicy {
  /** How long after a promotion a node watches, in ms. */
  readonly withinMs: number;
  /** Largest share of requests that may fail for reasons of the version, 0 to 1. @defaultValue not watched */
  readonly maxErrorRate?: number;
  /** Largest 95th percentile of the time to an answer, in ms. @defaultValue not watched */
  readonly maxP95Ms?: number;
  /** Requests that a node must have seen before it judges. @defaultValue 20 */
  readonly minRequests?: number;
}

/** Largest difference from a golden number unless the policy says otherwise: fp32 on other hardware stays below it. */
export const DEFAULT_PARITY_TOLERANCE = 0.001;
/** Largest drop of quality unless the policy says otherwise: one point of a hundred. */
export const DEFAULT_MAX_DROP = 0.01;
/** Requests before a node judges a new version, unless the policy says otherwise. */
export const DEFAULT_MIN_REQUESTS = 20;

/** A move of an alias, by compare-and-set. It ends a split or shadow. */
export interface AliasMove {
  readonly model: string;
  readonly alias: string;
  /** The version to point at; it must be ready. */
  readonly to: number;
  /** Move only if the alias points at this version now; `null`: only if it does not exist. Absent: whatever it is. */
  readonly expect?: number | null;
  /** Move only if nothing of the alias has changed since it had this revision. */
  readonly expectRevision?: number;
  readonly by?: string;
  readonly message?: string;
  readonly action?: MoveAction;
  /** What the gates found, for the history. */
  readonly gates?: readonly GateResult[];
}

/** What a move did. */
export interface AliasMoved extends AliasRecord {
  /** Where it pointed before; absent if the alias is new. Equal to `version` if nothing changed. */
  readonly from?: number;
}

/** A change of what guards an alias, or of how its requests are shared. */
export interface AliasChange {
  readonly model: string;
  readonly alias: string;
  /** In the place of the whole policy; absent: as it is. */
  readonly policy?: AliasPolicy;
  /** `null`: all requests go to the alias's version again; absent: as it is. */
  readonly traffic?: AliasTraffic | null;
  /** Change only if nothing of the alias has changed since it had this revision. */
  readonly expectRevision?: number;
  readonly by?: string;
  readonly message?: string;
}

/** Every version that an alias needs: the one it points at, and those of its split or shadow. */
export function versionsOf({ version, traffic }: Pick<AliasRecord, 'version' | 'traffic'>): readonly number[] {
  if (traffic === undefined) return [version];
  const others = traffic.kind === 'split' ? traffic.shares.map((share) => share.version) : [traffic.version];
  return [...new Set([version, ...others])];
}

function invalid(why: string): ModelkeepError {
  return new ModelkeepError('INVALID_INPUT', why);
}

/**
 * Returns `traffic` if it can be that of an alias that points at `version`.
 *
 * @throws ModelkeepError `INVALID_INPUT` naming the share
 */
export function checkTraffic(traffic: AliasTraffic, version: number): AliasTraffic {
  if (traffic.kind === 'shadow') {
    if (traffic.version !== version) return traffic;
    throw invalid(`Version ${version} answers already: name another one as its shadow`);
  }
  const { shares } = traffic;
  const wrong = shares.find(({ percent }) => !Number.isFinite(percent) || percent <= 0 || percent > 100);
  if (wrong !== undefined)
    throw invalid(`Version ${wrong.version} has a share of ${wrong.percent} %: give one above 0, at most 100`);
  const versions = shares.map((share) => share.version);
  if (new Set(versions).size !== versions.length) throw invalid('The split names a version twice');
  if (!versions.includes(version))
    throw invalid(
      `The split leaves out version ${version}, which the alias points at: give it a share, or promote first`,
    );
  const sum = shares.reduce((total, { percent }) => total + percent, 0);
  if (Math.abs(sum - 100) > 1e-6) throw invalid(`The shares add to ${sum} %, not to 100 %`);
  return traffic;
}

const LIMITS: readonly (readonly [keyof GatePolicy | keyof AutoRollbackPolicy, number, number])[] = [
  ['parityTolerance', 0, Number.MAX_VALUE],
  ['maxDrop', 0, 2],
  ['maxLatencyRatio', Number.MIN_VALUE, Number.MAX_VALUE],
  ['maxMemoryRatio', Number.MIN_VALUE, Number.MAX_VALUE],
  // A week: a node that watches longer is a monitor, and those exist.
  ['withinMs', 1, 7 * 24 * 3_600_000],
  ['maxErrorRate', 0, 1],
  ['maxP95Ms', Number.MIN_VALUE, Number.MAX_VALUE],
  ['minRequests', 1, 1_000_000],
];

/** Returns a policy whose numbers mean something. @throws ModelkeepError `INVALID_INPUT` naming the field */
export function checkPolicy(policy: AliasPolicy): AliasPolicy {
  const given: Readonly<Record<string, unknown>> = { ...policy.gates, ...policy.autoRollback };
  for (const [name, least, most] of LIMITS) {
    const value = given[name];
    if (value === undefined || (typeof value === 'number' && value >= least && value <= most)) continue;
    throw new ModelkeepError(
      'INVALID_INPUT',
      `The policy's ${name} is ${JSON.stringify(value)}: it must be a number` +
        ` ${least <= Number.MIN_VALUE && least > 0 ? 'above 0' : `from ${least}`}${most === Number.MAX_VALUE ? '' : ` to ${most}`}`,
    );
  }
  const { autoRollback } = policy;
  if (autoRollback !== undefined && autoRollback.maxErrorRate === undefined && autoRollback.maxP95Ms === undefined)
    throw new ModelkeepError('INVALID_INPUT', 'Rolling back by itself needs a largest error rate or a largest latency');
  return policy;
}
