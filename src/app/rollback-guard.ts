import { EventEmitter } from 'node:events';
import {
  asModelkeepError,
  DEFAULT_MIN_REQUESTS,
  ModelkeepError,
  versionName,
  type AutoRollbackPolicy,
  type ErrorCode,
  type VersionRecord,
  type VersionStore,
} from '../core/index.js';
import { rollback, setAliasTraffic } from '../registry/index.js';
import type { Followed, Follower } from '../residency/index.js';
import type { InferenceServiceEvents, RequestReport } from '../serving/index.js';

/** What a guard tells. */
export interface RollbackGuardEvents {
  /** This node has moved a reference back from a version. */
  'rolled-back': [reference: string, from: VersionRecord, why: string];
  /** It should have, and could not. */
  failed: [reference: string, error: ModelkeepError];
}

/** What {@link RollbackGuard} is made of. */
export interface RollbackGuardOptions {
  readonly store: VersionStore;
  readonly follower: Follower;
  readonly service: EventEmitter<InferenceServiceEvents>;
  /** This node's name in the history. */
  readonly node: string;
  /** The monotonic clock, in ms; a test owns it. */
  readonly now?: () => number;
}

/** Errors that speak against the version, and not against the caller, the load or the store. */
const BLAMED: ReadonlySet<ErrorCode> = new Set(['LOAD_FAILED', 'RUNNER_CRASHED', 'DEADLINE_EXCEEDED', 'INTERNAL']);
/** Share of requests that may be slower than the policy's 95th percentile. */
const SLOW_SHARE = 0.05;
/** The latest requests that are judged: enough for a share of a percent, few enough to see a sudden change. */
const WINDOW = 200;

/** A new version that is being watched. */
interface Watched {
  readonly followed: Followed;
  readonly record: VersionRecord;
  readonly policy: AutoRollbackPolicy;
  readonly untilMs: number;
  readonly latest: { readonly failed: boolean; readonly slow: boolean }[];
  /** True while it is being moved back, and after. */
  acting: boolean;
}

/**
 * Watches what was promoted, for as long as the alias's policy says, and moves the alias back by compare-and-set when the
 * version fails or is slow; the store tells the other nodes. Never after a rollback: going back must not go forth again.
 */
export class RollbackGuard extends EventEmitter<RollbackGuardEvents> {
  readonly #options: RollbackGuardOptions;
  readonly #now: () => number;
  readonly #watched = new Map<string, Watched>();
  readonly #acting = new Set<Promise<void>>();

  constructor(options: RollbackGuardOptions) {
    super();
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
    const { follower, service } = options;
    follower.on('opened', this.#onOpened).on('swapped', this.#onSwapped).on('fell-back', this.#onFellBack);
    follower.on('traffic', this.#onChanged).on('policy', this.#onChanged);
    service.on('request', this.#onRequest);
  }

  /** Watches no longer; resolves when no move is under way. */
  async close(): Promise<void> {
    const { follower, service } = this.#options;
    follower.off('opened', this.#onOpened).off('swapped', this.#onSwapped).off('fell-back', this.#onFellBack);
    follower.off('traffic', this.#onChanged).off('policy', this.#onChanged);
    service.off('request', this.#onRequest);
    this.#watched.clear();
    await Promise.all(this.#acting);
  }

  /** A node that starts in the middle of the time watches for the rest of it, as far as the clocks agree. */
  readonly #onOpened = (followed: Followed): void => {
    const { withinMs = 0 } = followed.alias?.policy?.autoRollback ?? {};
    const movedMs = followed.alias?.moved?.at.getTime() ?? 0;
    // A clock that is ahead or behind makes the time shorter, never longer than the policy says.
    this.#watch(followed, Math.min(withinMs, movedMs + withinMs - Date.now()));
  };

  readonly #onSwapped = (text: string): void => {
    const followed = this.#options.follower.current(text);
    if (followed !== undefined) this.#watch(followed);
  };

  /** Other shares, or another policy: what is watched already goes on with what it has seen. */
  readonly #onChanged = (followed: Followed): void => {
    const known = this.#of(followed.text);
    const before = new Map(known.map((watched) => [watched.record.id, watched]));
    const leftMs = Math.max(0, ...known.map(({ untilMs }) => untilMs - this.#now()));
    if (followed.shares === undefined) this.#watch(followed, leftMs, new Set(before.keys()));
    else this.#watch(followed);
    for (const watched of this.#of(followed.text)) {
      const { latest = [] } = before.get(watched.record.id) ?? {};
      watched.latest.push(...latest);
    }
  };

  #of(text: string): Watched[] {
    return [...this.#watched.values()].filter(({ followed }) => followed.text === text);
  }

  /** @param only versions that may be watched; absent: all that are new */
  #watch(followed: Followed, forMs?: number, only?: ReadonlySet<string>): void {
    for (const [key, watched] of this.#watched) if (watched.followed.text === followed.text) this.#watched.delete(key);
    const policy = followed.alias?.policy?.autoRollback;
    const leftMs = forMs ?? policy?.withinMs ?? 0;
    if (policy === undefined || leftMs <= 0) return;
    const untilMs = this.#now() + leftMs;
    for (const record of newIn(followed).filter(({ id }) => only?.has(id) ?? true))
      this.#watched.set(`${followed.text} ${record.id}`, {
        followed,
        record,
        policy,
        untilMs,
        latest: [],
        acting: false,
      });
  }

  readonly #onFellBack = (text: string, from: VersionRecord): void => {
    const watched = this.#watched.get(`${text} ${from.id}`);
    if (watched !== undefined && this.#now() < watched.untilMs)
      this.#act(watched, `${versionName(from)} ended its runners again and again`);
  };

  readonly #onRequest = ({ record, error, durationMs }: RequestReport): void => {
    if (record === undefined) return;
    for (const watched of this.#watched.values()) {
      if (watched.record.id !== record.id || watched.acting || this.#now() >= watched.untilMs) continue;
      if (error !== undefined && !BLAMED.has(error.code)) continue;
      const { maxP95Ms = Number.POSITIVE_INFINITY, minRequests = DEFAULT_MIN_REQUESTS } = watched.policy;
      watched.latest.push({ failed: error !== undefined, slow: durationMs > maxP95Ms });
      if (watched.latest.length > Math.max(WINDOW, minRequests)) watched.latest.shift();
      const why = verdict(watched);
      if (why !== undefined) this.#act(watched, why);
    }
  };

  #act(watched: Watched, why: string): void {
    if (watched.acting) return;
    watched.acting = true;
    const acting = this.#moveBack(watched, why).catch((thrown: unknown) => {
      const error = asModelkeepError(thrown);
      // A store that is away says nothing: the next request that is judged tries again.
      if (error.code === 'STORE_UNAVAILABLE') watched.acting = false;
      this.emit('failed', watched.followed.text, error);
    });
    this.#acting.add(acting);
    void acting.finally(() => this.#acting.delete(acting));
  }

  async #moveBack({ followed, record }: Watched, why: string): Promise<void> {
    const { store, node } = this.#options;
    const { reference, alias, text } = followed;
    if (alias === undefined) return;
    const about = { by: node, message: why };
    try {
      if (record.version === alias.version) {
        const { revision: expectRevision } = alias;
        await rollback(store, reference, { ...about, action: 'automatic-rollback', expectRevision });
      } else await setAliasTraffic(store, reference, null, about);
    } catch (thrown) {
      // Another node, or a person, was faster: it is as it should be, or as somebody wants it.
      if (thrown instanceof ModelkeepError && thrown.code === 'ALIAS_CONFLICT') return;
      throw thrown;
    }
    this.emit('rolled-back', text, record, why);
  }
}

/** The versions of a reference that have yet to prove themselves: what was promoted, and what got a share. */
function newIn({ alias, record, shares = [] }: Followed): readonly VersionRecord[] {
  const others = shares.map((share) => share.record).filter(({ id }) => id !== record.id);
  const { action, from } = alias?.moved ?? {};
  const isPromoted =
    (action === 'promote' || action === 'set') && from !== undefined && alias?.version === record.version;
  return isPromoted && others.length === 0 ? [record] : others;
}

const percent = (part: number): string => `${(100 * part).toFixed(1)} %`;

/** Why a version has to go; undefined if it may stay. */
function verdict({ record, policy, latest }: Watched): string | undefined {
  const { maxErrorRate = 1, maxP95Ms, minRequests = DEFAULT_MIN_REQUESTS } = policy;
  if (latest.length < minRequests) return undefined;
  const share = (holds: (one: Watched['latest'][number]) => boolean): number =>
    latest.filter(holds).length / latest.length;
  const failed = share((one) => one.failed);
  const of = `of the latest ${latest.length} requests of ${versionName(record)}`;
  if (failed > maxErrorRate) return `${percent(failed)} ${of} failed, ${percent(maxErrorRate)} are allowed`;
  const slow = share((one) => one.slow);
  if (slow > SLOW_SHARE) return `${percent(slow)} ${of} took longer than ${maxP95Ms} ms, 5 % may`;
  return undefined;
}
