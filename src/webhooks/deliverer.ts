import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { asModelkeepError, type FeedEvent, type ModelkeepError, type VersionStore } from '../core/index.js';
import { StoreLease } from './lease.js';
import { post, RECEIVER_TIMEOUT_MS, type Attempt } from './post.js';
import { ENTRY, secretOf, toWebhook, type Cursor, type Webhook, type WebhookPolicy } from './webhooks.js';

/** Options of {@link Deliverer}. */
export interface DelivererOptions extends WebhookPolicy {
  /** Pause between two looks at the log, in ms. @defaultValue 1_000 */
  readonly pollMs?: number;
  /** How long this node may be silent before another one delivers, in ms. @defaultValue 15_000 */
  readonly leaseMs?: number;
  /** First pause after a failed attempt, in ms; doubles up to an hour. @defaultValue 1_000 */
  readonly firstRetryMs?: number;
  /** How long a receiver may take for one message, in ms. @defaultValue 10_000 */
  readonly receiverTimeoutMs?: number;
  /** Told of every attempt that failed, and of a store that does not answer. */
  readonly onTrouble?: (trouble: DeliveryTrouble) => void;
}

/** What went wrong. Never holds a secret. */
export interface DeliveryTrouble {
  readonly error: ModelkeepError | string;
  /** The webhook; absent if the store is the trouble. */
  readonly webhook?: Pick<Webhook, 'id' | 'url'>;
  /** The event that could not be delivered, and when it is tried again. */
  readonly event?: string;
  readonly retryInMs?: number;
}

/** The one lease of all deliveries of a store. */
const LEASE = Object.freeze({ kind: 'lease', key: 'webhooks' });
/** Longest pause between two attempts, in ms. */
const LONGEST_RETRY_MS = 3_600_000;
/** Events that are read at once. */
const BATCH = 100;
/** The answer of a receiver that wants no more. */
const GONE = 410;

const DEFAULTS = Object.freeze({
  allowPrivate: false,
  pollMs: 1_000,
  leaseMs: 15_000,
  firstRetryMs: 1_000,
  receiverTimeoutMs: RECEIVER_TIMEOUT_MS,
});

/** A delivery under way for one webhook. */
interface Running {
  readonly stop: AbortController;
  readonly ended: Promise<void>;
}

/**
 * Delivers webhooks from the event log of a store, as long as this process holds the store's lease: one event of a
 * webhook after the other, each until its receiver took it. What was sent is remembered only when the receiver has said
 * so, so a process that dies may have its last event sent again: at least once.
 */
export class Deliverer {
  readonly #store: VersionStore;
  readonly #options: Required<Omit<DelivererOptions, 'onTrouble'>> & Pick<DelivererOptions, 'onTrouble'>;
  readonly #lease: StoreLease;
  readonly #stop = new AbortController();
  readonly #running = new Map<string, Running>();
  readonly #ended: Promise<void>;

  /** Begins at once. */
  constructor(store: VersionStore, options: DelivererOptions = {}) {
    this.#store = store;
    this.#options = { ...DEFAULTS, ...options };
    this.#lease = new StoreLease(store, LEASE, randomUUID(), this.#options.leaseMs);
    this.#ended = this.#run();
  }

  /** Ends what is under way and gives the lease back. Idempotent. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.#ended;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        const webhooks = (await this.#store.listEntries({ kind: ENTRY.webhook })).map(toWebhook);
        const wanted = webhooks.filter(({ disabled }) => disabled === undefined);
        const isMine = wanted.length > 0 && (await this.#lease.hold());
        await this.#deliverTo(isMine ? wanted : []);
      } catch (error) {
        this.#trouble({ error: asModelkeepError(error) });
      }
      await pause(Math.min(this.#options.pollMs, this.#options.leaseMs / 4), signal);
    }
    await this.#deliverTo([]);
    // Whoever goes on need not wait; a store that is away is waited for by nobody.
    await this.#lease.release().catch((error: unknown) => this.#trouble({ error: asModelkeepError(error) }));
  }

  /** Starts what is wanted and does not run, and stops what runs and is not wanted any more. */
  async #deliverTo(wanted: readonly Webhook[]): Promise<void> {
    for (const webhook of wanted) {
      if (this.#running.has(webhook.id)) continue;
      const stop = new AbortController();
      const ended = this.#follow(webhook, stop.signal).finally(() => this.#running.delete(webhook.id));
      this.#running.set(webhook.id, { stop, ended });
    }
    const ids = new Set(wanted.map(({ id }) => id));
    const leaving = [...this.#running].filter(([id]) => !ids.has(id)).map(([, running]) => running);
    for (const { stop } of leaving) stop.abort();
    await Promise.all(leaving.map(({ ended }) => ended));
  }

  /** Delivers to one webhook until it is stopped; never rejects. */
  async #follow(webhook: Webhook, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        const more = await this.#deliverBatch(webhook, signal);
        if (!more) await pause(this.#options.pollMs, signal);
      } catch (error) {
        if (signal.aborted) return;
        this.#trouble({ webhook, error: asModelkeepError(error) });
        await pause(this.#options.pollMs, signal);
      }
    }
  }

  /** Delivers what is next in the log; false if there is nothing. */
  async #deliverBatch(webhook: Webhook, signal: AbortSignal): Promise<boolean> {
    const entry = await this.#store.readEntry({ kind: ENTRY.cursor, key: webhook.id }, { signal });
    if (entry === undefined) return false;
    let { revision } = entry;
    let cursor = entry.value as unknown as Cursor;
    const save = async (next: Cursor): Promise<void> => {
      const write = { kind: ENTRY.cursor, key: webhook.id, value: { ...next }, expect: revision };
      const written = await this.#store.writeEntry(write, { signal });
      // Another node delivers, or the webhook was removed: this one does not go on from where it thought it was.
      if (written === undefined) throw new Error(`the webhook ${webhook.id} is delivered by another node`);
      ({ revision } = written);
      cursor = next;
    };
    const found = await this.#store.readFeed({ after: cursor.after, limit: BATCH }, { signal });
    for (const one of found) {
      if (!concerns(webhook, one)) continue;
      while (!(await this.#attempt(webhook, one, cursor, save, signal)));
      if (signal.aborted) return true;
    }
    const last = found.at(-1)?.sequence;
    if (last !== undefined && last > cursor.after) await save({ ...cursor, after: last });
    return found.length > 0;
  }

  /** One attempt, and the pause after it if it failed; true if it is over with the event. */
  async #attempt(
    webhook: Webhook,
    { sequence, event }: FeedEvent,
    cursor: Cursor,
    save: (next: Cursor) => Promise<void>,
    signal: AbortSignal,
  ): Promise<boolean> {
    if (!this.#lease.held || signal.aborted) throw new Error('this node does not deliver any more');
    const secret = await secretOf(this.#store, webhook.id, { signal });
    const { id, at, ...data } = event;
    const body = JSON.stringify({ type: event.kind, timestamp: at.toISOString(), data: { id, at, ...data } });
    const target = { url: webhook.url, secret, ...this.#options };
    const attempt = await post(target, { id: `evt_${id}`, body }, signal);
    if (attempt.delivered) {
      await save({ after: sequence, deliveredAt: new Date().toISOString() });
      return true;
    }
    const attempts = (cursor.attempts ?? 0) + 1;
    const since = cursor.since ?? new Date().toISOString();
    const { error = '' } = attempt;
    await save({ ...cursor, attempts, since, error });
    if (attempt.status === GONE) await this.#disable(webhook, error);
    const retryInMs = this.#pauseAfter(attempt, attempts);
    this.#trouble({ webhook, error, event: id, retryInMs });
    await pause(retryInMs, signal);
    return signal.aborted;
  }

  /** A receiver that is gone for good is told nothing more. */
  async #disable({ id }: Webhook, why: string): Promise<void> {
    const entry = await this.#store.readEntry({ kind: ENTRY.webhook, key: id });
    if (entry === undefined) return;
    await this.#store.writeEntry({ ...entry, value: { ...entry.value, disabled: why }, expect: entry.revision });
    this.#running.get(id)?.stop.abort();
  }

  #pauseAfter({ retryAfterMs = 0 }: Attempt, attempts: number): number {
    const growing = this.#options.firstRetryMs * 2 ** Math.min(attempts - 1, 30);
    const pauseMs = Math.min(Math.max(growing, retryAfterMs), LONGEST_RETRY_MS);
    // Jittered, so that receivers that came back are not all asked at once.
    return Math.round(pauseMs * (0.8 + 0.4 * Math.random()));
  }

  #trouble(trouble: DeliveryTrouble): void {
    if (!this.#stop.signal.aborted) this.#options.onTrouble?.(trouble);
  }
}

function concerns({ model, events }: Webhook, { event }: FeedEvent): boolean {
  return (model === undefined || model === event.model) && (events === undefined || events.includes(event.kind));
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  // Rejects only when the signal fires, which the caller sees.
  await delay(ms, undefined, { signal, ref: false }).catch(() => undefined);
}
