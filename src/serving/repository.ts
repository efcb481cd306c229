import {
  ModelkeepError,
  parseReference,
  throwIfAborted,
  versionName,
  type Abortable,
  type Reference,
  type VersionRecord,
  type VersionStore,
} from '../core/index.js';
import type { Follower, Resident, Residency, ResidencyState } from '../residency/index.js';
import type { RequestOptions } from './request.js';
import type { InferenceService } from './service.js';

/** What a node says of a version in its index. */
export type RepositoryState = 'READY' | 'LOADING' | 'UNLOADING' | 'UNAVAILABLE';

/** One version in the index. */
export interface IndexEntry {
  readonly name: string;
  readonly version: number;
  readonly state: RepositoryState;
  /** Why it is `UNAVAILABLE`; empty in every other state. */
  readonly reason: string;
}

/** What {@link ModelRepository} is made of. */
export interface ModelRepositoryOptions {
  readonly store: VersionStore;
  readonly residency: Residency;
  readonly follower: Follower;
  readonly service: InferenceService;
}

const STATES: Readonly<Record<ResidencyState, RepositoryState>> = {
  absent: 'UNAVAILABLE',
  fetching: 'LOADING',
  loading: 'LOADING',
  warming: 'LOADING',
  ready: 'READY',
  draining: 'UNLOADING',
  failed: 'UNAVAILABLE',
};

/** Why a version that was let go is not there. */
const REASONS = {
  asked: 'unloaded',
  budget: 'unloaded to make room',
  idle: 'unloaded because nobody asked it',
} as const;
const NEVER_LOADED = 'not loaded';

/**
 * What a node has and could have, and the two ways to change it by hand. A node loads on demand: what was unloaded is
 * loaded again by the next request for it, or by `load`; until then nothing brings it back, no newer version either.
 */
export class ModelRepository {
  readonly #options: ModelRepositoryOptions;
  /** Why a version is not here, by id. */
  readonly #reasons = new Map<string, string>();

  constructor(options: ModelRepositoryOptions) {
    this.#options = options;
    const { residency } = options;
    residency.on('evicted', ({ id }, why) => this.#reasons.set(id, REASONS[why]));
    residency.on('transition', ({ record, to, error }) => {
      if (to === 'failed') this.#reasons.set(record.id, error?.message ?? 'failed');
      else if (to === 'fetching' || to === 'ready') this.#reasons.delete(record.id);
    });
  }

  /**
   * Every version that can be asked for, archived ones only while they are held; by model, then version.
   *
   * @param ready only what can answer at once; the store is not asked then
   * @throws ModelkeepError what the store says
   */
  async index({ ready, ...options }: Abortable & { readonly ready: boolean }): Promise<readonly IndexEntry[]> {
    const { store, residency } = this.#options;
    const held = new Map(residency.residents.map((resident) => [resident.record.id, resident]));
    if (ready) {
      const entries = [...held.values()].map(({ record }) => this.#entry(record, held.get(record.id)));
      return entries.filter(({ state }) => state === 'READY').toSorted(byName);
    }
    const stored = await store.listVersions({}, options);
    const offered = stored.filter(({ id, state }) => state === 'ready' || held.has(id));
    return offered.map((record) => this.#entry(record, held.get(record.id))).toSorted(byName);
  }

  /** Numbers of a model's versions that may be asked for; only `known` while the store is away. */
  async versions({ model, version: known }: VersionRecord, options: Abortable = {}): Promise<readonly number[]> {
    try {
      const stored = await this.#options.store.listVersions({ model }, options);
      return stored.flatMap(({ version, state }) => (state === 'ready' || version === known ? [version] : []));
    } catch (error) {
      if (error instanceof ModelkeepError && error.code === 'STORE_UNAVAILABLE') return [known];
      throw error;
    }
  }

  /**
   * Makes ready what a reference means now, by the store's word, and keeps it current from now on.
   *
   * @throws ModelkeepError what resolving or loading says
   */
  async load(reference: string, options: RequestOptions = {}): Promise<VersionRecord> {
    const { service, residency } = this.#options;
    const { record } = await service.follow(reference, { ...options, freshness: 'checked' });
    await residency.ensure(record, options);
    return record;
  }

  /**
   * Lets versions go: all of a model, or the one that a reference with a version, alias or digest means here. Requests
   * in flight are answered; resolves when the memory is back.
   *
   * @throws ModelkeepError `FORBIDDEN` for a version that this node has pinned, and nothing is let go then; what
   * resolving says of a reference that is not held
   */
  async unload(reference: string, options: Abortable = {}): Promise<readonly VersionRecord[]> {
    const { residency, follower } = this.#options;
    const parsed = parseReference(reference);
    const records = await this.#held(parsed, options);
    const pinned = records.find(({ id }) => residency.isPinned(id));
    if (pinned !== undefined) {
      throw new ModelkeepError(
        'FORBIDDEN',
        `${versionName(pinned)} is pinned on this node: take it off the setting "pin" and restart, then unload it`,
      );
    }
    const ids = new Set(records.map(({ id }) => id));
    const whole = parsed.selector.kind === 'latest';
    follower.forget(({ reference: { model }, record }) => (whole && model === parsed.model) || ids.has(record.id));
    await Promise.all(records.map((record) => this.#release(record, options)));
    return records;
  }

  async #release(record: VersionRecord, options: Abortable): Promise<void> {
    const { residency } = this.#options;
    try {
      // What is being loaded can be let go when it is there.
      await residency.ensure(record, options);
    } catch (error) {
      throwIfAborted(options.signal);
      // Whoever asked for it hears why; it is not here, as was wanted.
      if (residency.ready(record.id) === undefined) return;
      throw error;
    }
    this.#reasons.set(record.id, REASONS.asked);
    await residency.release(record.id);
  }

  /** The versions here that a reference means; the store is asked only if none is known. */
  async #held(reference: Reference, options: Abortable): Promise<readonly VersionRecord[]> {
    const records = this.#options.residency.residents.flatMap(({ record, state }) =>
      record.model === reference.model && state !== 'failed' && state !== 'absent' ? [record] : [],
    );
    const meant = this.#meant(reference, records);
    if (meant.length > 0) return meant;
    const { id } = await this.#options.store.resolve(reference, options);
    return records.filter((record) => record.id === id);
  }

  #meant({ model, selector }: Reference, records: readonly VersionRecord[]): readonly VersionRecord[] {
    switch (selector.kind) {
      case 'latest':
        return records;
      case 'version':
        return records.filter(({ version }) => version === selector.version);
      case 'digest':
        return records.filter(({ digest }) => digest?.startsWith(selector.digest) === true);
      case 'alias': {
        const now = this.#options.follower.followed.find(
          ({ reference: { model: other, selector: its } }) =>
            other === model && its.kind === 'alias' && its.alias === selector.alias,
        );
        return records.filter(({ id }) => id === now?.record.id);
      }
    }
  }

  #entry(record: VersionRecord, resident: Resident | undefined): IndexEntry {
    const state = STATES[resident?.state ?? 'absent'];
    const reason = state === 'UNAVAILABLE' ? (this.#reasons.get(record.id) ?? NEVER_LOADED) : '';
    return { name: record.model, version: record.version, state, reason };
  }
}

function byName(a: IndexEntry, b: IndexEntry): number {
  return a.name < b.name ? -1 : a.name > b.name ? 1 : a.version - b.version;
}
