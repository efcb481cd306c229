import { EventEmitter } from 'node:events';
import {
  asModelkeepError,
  formatReference,
  ModelkeepError,
  parseReference,
  type Abortable,
  type VersionRecord,
  type VersionStore,
  type Watch,
} from '../core/index.js';
import type { Entry, Followed, FollowerEvents, StoreHealth, SwapMode } from './followed.js';
import type { EnsureOptions } from './options.js';
import type { Residency } from './residency.js';
import { refreshUntilCurrent } from './refreshing.js';
import { SharedWork } from './shared-work.js';
import { parityOf, recordsOf, resolveTarget, sameTraffic, type Target } from './target.js';

/**
 * Keeps references current: what was asked for once is resolved again when the store says that something changed, the
 * new version is made ready beside the old one, then new requests go to it, and the old one is let go.
 */
export class Follower extends EventEmitter<FollowerEvents> {
  readonly #store: VersionStore;
  readonly #residency: Residency;
  readonly #entries = new Map<string, Entry>();
  readonly #stop = new AbortController();
  readonly #mode: SwapMode;
  #watch: Watch | undefined;
  #health: StoreHealth = { reachable: true, since: new Date() };

  private constructor(store: VersionStore, residency: Residency, mode: SwapMode) {
    super();
    this.#store = store;
    this.#residency = residency;
    this.#mode = mode;
    residency.on('quarantined', this.#onQuarantined);
  }

  /** Starts the watch of the store. @param mode how a swap treats memory; default `keep-serving` */
  static async open(store: VersionStore, residency: Residency, mode: SwapMode = 'keep-serving'): Promise<Follower> {
    const follower = new Follower(store, residency, mode);
    follower.#watch = await store.watch({
      models: () => new Set([...follower.#entries.values()].map(({ reference }) => reference.model)),
      onChange: (model) => follower.#onChange(model),
      onReachable: (reachable, error) => follower.#onReachable(reachable, error),
    });
    return follower;
  }

  /** Whether the store answers. What is resident is served on if it does not. */
  get health(): StoreHealth {
    return this.#health;
  }

  /** All references that are kept current. */
  get followed(): readonly Followed[] {
    return [...this.#entries.values()].flatMap(({ followed }) => (followed === undefined ? [] : [followed]));
  }

  /** What answers for a reference now, without a query; undefined if it is not followed yet. */
  current(text: string): Followed | undefined {
    return this.#entries.get(text)?.followed;
  }

  /**
   * Resolves a reference, makes its version ready, and keeps it current from now on.
   *
   * @throws ModelkeepError what resolving or loading says; nothing is followed then
   */
  async follow(text: string, { signal }: Abortable = {}): Promise<Followed> {
    if (this.#stop.signal.aborted) throw new ModelkeepError('CLOSED', 'This modelkeep is closed');
    const known = this.#entries.get(text);
    if (known?.followed !== undefined) return known.followed;
    const entry = known ?? this.#newEntry(text);
    if (entry.opening === undefined || entry.opening.cancelled) entry.opening = this.#startOpening(entry);
    return entry.opening.join(signal);
  }

  /**
   * Begins to make ready what a reference means, and does not wait for it.
   *
   * @returns true if it is ready already
   * @throws ModelkeepError what resolving says
   */
  async begin(text: string, { signal }: Abortable = {}): Promise<boolean> {
    const followed = this.#entries.get(text)?.followed;
    const target =
      followed ?? (await resolveTarget(this.#store, parseReference(text), signal === undefined ? {} : { signal }));
    const records = recordsOf(target);
    const isReady = ({ id }: VersionRecord): boolean => this.#residency.ready(id) !== undefined;
    if (followed !== undefined && records.every(isReady)) return true;
    // Nobody waits for it here: a failure is told by the transition to `failed`, which is logged and counted.
    if (followed === undefined) this.follow(text).catch(() => undefined);
    else for (const record of records) this.#residency.ensure(record).catch(() => undefined);
    return records.every(isReady);
  }

  /**
   * Asks the store whether a followed reference still means the same version; if not, waits for the swap.
   *
   * @throws ModelkeepError `STORE_UNAVAILABLE` if it cannot be asked, `LOAD_FAILED` if the newer version fails
   */
  async check(followed: Followed, options: Abortable = {}): Promise<Followed> {
    const entry = this.#entries.get(followed.text);
    if (await this.#store.isCurrent(followed.reference, followed.record.version, options)) return followed;
    if (entry === undefined) return followed;
    await this.#swap(entry, options.signal);
    return entry.followed ?? followed;
  }

  /** Keeps matching references current no longer: nothing but a new request brings their versions back. */
  forget(matches: (followed: Followed) => boolean): void {
    for (const entry of this.#entries.values()) {
      if (entry.followed === undefined || !matches(entry.followed)) continue;
      this.#entries.delete(entry.text);
      entry.followed = undefined;
      entry.again = false;
      entry.wake?.();
    }
  }

  /** Stops watching and swapping. Idempotent. */
  async close(): Promise<void> {
    this.#stop.abort(new ModelkeepError('CLOSED', 'modelkeep was closed'));
    this.#residency.off('quarantined', this.#onQuarantined);
    for (const entry of this.#entries.values()) entry.wake?.();
    await this.#watch?.close();
    await Promise.allSettled([...this.#entries.values()].flatMap(({ refreshing }) => refreshing ?? []));
  }

  #newEntry(text: string): Entry {
    const reference = parseReference(text);
    const entry: Entry = {
      reference,
      text,
      followed: undefined,
      previous: undefined,
      opening: undefined,
      refreshing: undefined,
      again: false,
      wake: undefined,
      asked: 0,
      answered: 0,
    };
    this.#entries.set(text, entry);
    return entry;
  }

  #startOpening(entry: Entry): SharedWork<Followed> {
    const opening = new SharedWork((signal) => this.#open(entry, AbortSignal.any([signal, this.#stop.signal])));
    const forget = (): void => {
      if (entry.opening === opening) entry.opening = undefined;
      // What could not be opened is not followed: the next caller begins anew.
      if (entry.opening === undefined && entry.followed === undefined) this.#entries.delete(entry.text);
    };
    opening.settled.then(forget, forget);
    return opening;
  }

  async #open(entry: Entry, signal: AbortSignal): Promise<Followed> {
    entry.again = false;
    const target = await resolveTarget(this.#store, entry.reference, { signal });
    try {
      for (const record of recordsOf(target)) await this.#makeReady(record, { signal, parity: parityOf(target) });
    } catch (error) {
      this.#tellHeldBack(entry, error);
      throw error;
    }
    const followed = this.#serve(entry, target);
    this.emit('opened', followed);
    if (entry.again) this.#refresh(entry);
    return followed;
  }

  /** Ready at the very moment when this resolves: another reference may be letting the version go. */
  async #makeReady(record: VersionRecord, options: EnsureOptions): Promise<void> {
    do await this.#residency.ensure(record, options);
    while (this.#residency.ready(record.id) === undefined);
  }

  /** A failure that is only remembered was told when it happened. */
  #tellHeldBack({ text }: Entry, thrown: unknown): void {
    const error = asModelkeepError(thrown);
    const remembered = error.cause instanceof ModelkeepError;
    if (error.code === 'GATE_FAILED' && !remembered) this.emit('held-back', text, error);
  }

  #serve(entry: Entry, target: Target): Followed {
    const since = entry.followed?.record.id === target.record.id ? entry.followed.since : new Date();
    entry.followed = { ...target, reference: entry.reference, text: entry.text, since };
    return entry.followed;
  }

  /** Resolves once and takes over what is new. */
  async #swap(entry: Entry, signal: AbortSignal | undefined): Promise<void> {
    if (entry.followed === undefined) return;
    const options = signal === undefined ? {} : { signal };
    const question = (entry.asked += 1);
    const target = await resolveTarget(this.#store, entry.reference, options);
    const before: Followed | undefined = entry.followed;
    if (before !== undefined && !sameTraffic(before, target)) await this.#prepare(entry, before, target, options);
    // It may have been forgotten meanwhile.
    if (this.#entries.get(entry.text) !== entry) {
      for (const record of recordsOf(target)) this.#letGo(record);
      return;
    }
    // A swap that asked later may have come first; going back to the older answer would undo it.
    if (question < entry.answered) {
      for (const record of recordsOf(target)) this.#letGo(record);
      return;
    }
    entry.answered = question;
    this.#take(entry, entry.followed, target);
  }

  /** From now on requests go where the target says. */
  #take(entry: Entry, before: Followed, target: Target): void {
    const { record } = target;
    const followed = this.#serve(entry, target);
    if (before.record.id !== record.id) {
      entry.previous = before.record;
      this.emit('swapped', entry.text, before.record, record, (Date.now() - record.publishedAt.getTime()) / 1_000);
    }
    const sameShares = sameTraffic({ ...before, record }, target);
    if (!sameShares) this.emit('traffic', followed);
    else if (before.record.id === record.id && before.alias?.revision !== target.alias?.revision)
      this.emit('policy', followed);
    for (const old of recordsOf(before)) this.#letGo(old);
  }

  /** Makes the new versions ready: beside the old one, or in its place. */
  async #prepare(entry: Entry, before: Followed, target: Target, options: Abortable): Promise<void> {
    const { record } = target;
    const ready = async (): Promise<void> => {
      for (const each of recordsOf(target)) await this.#makeReady(each, { ...options, parity: parityOf(target) });
    };
    if (this.#mode === 'keep-serving' || before.record.id === record.id) return ready();
    let moved!: () => void;
    const moving = new Promise<void>((resolve) => {
      moved = resolve;
    });
    entry.followed = { ...before, moving };
    try {
      await this.#residency.release(before.record.id);
      await ready();
    } catch (error) {
      // Requests go to the old version again, which the first of them loads.
      if (this.#entries.get(entry.text) === entry) entry.followed = before;
      throw error;
    } finally {
      moved();
    }
  }

  /** A version that keeps ending its runners: what answered before it answers again. */
  readonly #onQuarantined = (record: VersionRecord): void => {
    for (const entry of this.#entries.values()) {
      const { previous, followed } = entry;
      if (followed === undefined) continue;
      const { shares: _shares, ...alone } = followed;
      const shared = followed.shares?.some((share) => share.record.id === record.id) === true;
      const healthy = followed.record.id === record.id ? previous : shared ? followed.record : undefined;
      if (healthy === undefined || healthy.id === record.id) continue;
      this.#serve(entry, { ...alone, record: healthy });
      this.emit('fell-back', entry.text, record, healthy);
    }
  };

  /** Lets a version go that no followed reference means any more. */
  #letGo({ id }: VersionRecord): void {
    const wanted = this.followed.some((followed) => recordsOf(followed).some((record) => record.id === id));
    if (!wanted && !this.#residency.isPinned(id)) void this.#residency.release(id);
  }

  #onChange(model: string): void {
    for (const entry of this.#entries.values()) {
      const { kind } = entry.reference.selector;
      if (entry.reference.model !== model || (kind !== 'latest' && kind !== 'alias')) continue;
      // While it is being opened it may have been resolved already: look again when it is open.
      if (entry.followed === undefined) entry.again = true;
      else this.#refresh(entry);
    }
  }

  #refresh(entry: Entry): void {
    entry.again = true;
    entry.wake?.();
    if (entry.refreshing !== undefined) return;
    const { signal } = this.#stop;
    const onFailed = (error: unknown): void => {
      this.#tellHeldBack(entry, error);
      this.emit('swap-failed', entry.text, asModelkeepError(error));
    };
    const refreshing = refreshUntilCurrent(entry, { swap: () => this.#swap(entry, signal), onFailed, signal });
    entry.refreshing = refreshing.finally(() => {
      entry.refreshing = undefined;
    });
  }

  #onReachable(reachable: boolean, error: Error | undefined): void {
    this.#health = { reachable, since: new Date(), ...(error === undefined ? {} : { error: error.message }) };
    this.emit('reachable', this.#health);
    if (reachable) for (const entry of this.#entries.values()) entry.wake?.();
  }
}

/** The canonical text under which a reference is followed. @throws ModelkeepError `INVALID_REFERENCE` */
export function canonicalReference(text: string): string {
  return formatReference(parseReference(text));
}
