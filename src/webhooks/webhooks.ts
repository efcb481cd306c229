import { randomBytes } from 'node:crypto';
import { lookup } from 'node:dns/promises';
import {
  checkModelName,
  EVENT_KINDS,
  ModelkeepError,
  type Abortable,
  type StoreEvent,
  type StoredEntry,
  type VersionStore,
} from '../core/index.js';
import { checkAddress } from './address.js';
import { checkSecret, newSecret, post, type Attempt } from './post.js';

/** Kinds of the store's entries; the secret is apart, so that nothing that lists webhooks ever holds one. */
export const ENTRY = Object.freeze({ webhook: 'webhook', secret: 'webhook-secret', cursor: 'webhook-cursor' });
/** Longest URL, in characters. */
const MAX_URL_LENGTH = 2_000;
/** Most webhooks of a store. */
const MAX_WEBHOOKS = 100;

/** Who is told what. */
export interface Webhook {
  readonly id: string;
  readonly url: string;
  /** Only this model; absent: all. */
  readonly model?: string;
  /** Only events of these kinds; absent: all. */
  readonly events?: readonly StoreEvent['kind'][];
  readonly addedAt: Date;
  readonly by?: string;
  /** Why nothing is sent any more; absent: it is. */
  readonly disabled?: string;
}

/** A webhook to be. */
export interface NewWebhook {
  /** `https:`; `http:` too where private addresses are allowed. */
  readonly url: string;
  readonly model?: string;
  readonly events?: readonly string[];
  /** `whsec_` and base64 of 24 to 64 bytes. @defaultValue one is made */
  readonly secret?: string;
  readonly by?: string;
}

/** A webhook that was added. */
export interface AddedWebhook extends Webhook {
  /** Shown this once. */
  readonly secret: string;
}

/** How far a webhook is. */
export interface WebhookState extends Webhook {
  /** Events of the log that it has not passed yet, those that do not concern it included. */
  readonly behind: number;
  readonly deliveredAt?: Date;
  /** Attempts since the last success, since when, and why the last one failed. */
  readonly failing?: { readonly attempts: number; readonly since: Date; readonly error: string };
}

/** What is kept of a webhook's way through the log. */
export interface Cursor {
  /** The last event that it has passed. */
  readonly after: number;
  readonly deliveredAt?: string;
  readonly attempts?: number;
  readonly since?: string;
  readonly error?: string;
}

/** Where messages may go. */
export interface WebhookPolicy {
  /** Loopback, link-local and private addresses too, and `http:`. @defaultValue false */
  readonly allowPrivate?: boolean;
}

function invalid(message: string): ModelkeepError {
  return new ModelkeepError('INVALID_INPUT', message);
}

/**
 * Adds a webhook; it is told what happens from now on.
 *
 * @throws ModelkeepError `INVALID_INPUT` for a URL that cannot be used or leads to a loopback, link-local or private
 * address, an unknown kind of event, or a malformed secret; nothing is added then
 */
export async function addWebhook(
  store: VersionStore,
  wanted: NewWebhook,
  { allowPrivate = false, signal }: WebhookPolicy & Abortable = {},
): Promise<AddedWebhook> {
  const abortable = signal === undefined ? {} : { signal };
  const url = await checkUrl(wanted.url, allowPrivate);
  const secret = wanted.secret === undefined ? newSecret() : checkSecret(wanted.secret);
  const { by } = wanted;
  const model = wanted.model === undefined ? {} : { model: checkModelName(wanted.model) };
  const events = wanted.events === undefined ? {} : { events: wanted.events.map(checkKind) };
  if ((await store.listEntries({ kind: ENTRY.webhook }, abortable)).length >= MAX_WEBHOOKS) {
    throw invalid(`The store has ${MAX_WEBHOOKS} webhooks already: remove one`);
  }
  const id = randomBytes(8).toString('hex');
  const value = { url, ...model, ...events, addedAt: new Date().toISOString(), ...(by === undefined ? {} : { by }) };
  // The webhook itself last: what is not whole is not seen.
  const cursor: Cursor = { after: await store.feedEnd(abortable) };
  await store.writeEntry({ kind: ENTRY.cursor, key: id, value: { ...cursor }, expect: null }, abortable);
  await store.writeEntry({ kind: ENTRY.secret, key: id, value: { secret }, expect: null }, abortable);
  const entry = await store.writeEntry({ kind: ENTRY.webhook, key: id, value, expect: null }, abortable);
  if (entry === undefined) throw new ModelkeepError('INTERNAL', `The webhook ${id} was there already`);
  return { ...toWebhook(entry), secret };
}

function checkKind(kind: string): StoreEvent['kind'] {
  if (Object.hasOwn(EVENT_KINDS, kind)) return kind as StoreEvent['kind'];
  throw invalid(
    `There are no events ${JSON.stringify(kind.slice(0, 100))}: there is ${Object.keys(EVENT_KINDS).join(', ')}`,
  );
}

async function checkUrl(text: string, allowPrivate: boolean): Promise<string> {
  const shown = JSON.stringify(text.slice(0, 200));
  if (text.length > MAX_URL_LENGTH) throw invalid(`The URL has ${text.length} characters, at most ${MAX_URL_LENGTH}`);
  if (!URL.canParse(text)) throw invalid(`${shown} is no URL: write https://HOST/PATH`);
  const url = new URL(text);
  if (url.username !== '' || url.password !== '') {
    throw invalid(`The URL of a webhook holds no user or password: messages to ${url.host} are signed instead`);
  }
  if (url.protocol !== 'https:' && !(allowPrivate && url.protocol === 'http:')) {
    throw invalid(`${shown} is not https: what is told would go over the network in the open`);
  }
  url.hash = '';
  if (allowPrivate) return url.href;
  const host = url.hostname.replace(/^\[|\]$/g, '');
  let addresses: readonly { readonly address: string }[];
  try {
    addresses = await lookup(host, { all: true });
  } catch (error) {
    throw invalid(`The host "${host}" of the webhook is not known: ${(error as Error).message}`);
  }
  for (const { address } of addresses) checkAddress(address, host);
  return url.href;
}

/** An entry as a webhook. */
export function toWebhook({ key, value }: StoredEntry): Webhook {
  const { addedAt, ...rest } = value as Omit<Webhook, 'id' | 'addedAt'> & { readonly addedAt: string };
  return { ...rest, id: key, addedAt: new Date(addedAt) };
}

/** All webhooks, and how far each is. Their secrets are never among it. */
export async function listWebhooks(store: VersionStore, options: Abortable = {}): Promise<readonly WebhookState[]> {
  const [webhooks, cursors] = await Promise.all([
    store.listEntries({ kind: ENTRY.webhook }, options),
    store.listEntries({ kind: ENTRY.cursor }, options),
  ]);
  if (webhooks.length === 0) return [];
  const end = await store.feedEnd(options);
  return webhooks.map((entry) => {
    const found = cursors.find(({ key }) => key === entry.key);
    const { after = end, deliveredAt, attempts = 0, since, error = '' } = (found?.value ?? {}) as Partial<Cursor>;
    return {
      ...toWebhook(entry),
      behind: Math.max(0, end - after),
      ...(deliveredAt === undefined ? {} : { deliveredAt: new Date(deliveredAt) }),
      ...(since === undefined ? {} : { failing: { attempts, since: new Date(since), error } }),
    };
  });
}

async function webhookEntry(store: VersionStore, id: string, options: Abortable): Promise<StoredEntry> {
  const found = /^[0-9a-f]{1,64}$/.test(id)
    ? await store.readEntry({ kind: ENTRY.webhook, key: id }, options)
    : undefined;
  if (found !== undefined) return found;
  throw invalid(`There is no webhook ${JSON.stringify(id.slice(0, 64))}: see modelkeep webhook list`);
}

/** Removes a webhook with its secret. @throws ModelkeepError `INVALID_INPUT` if there is none */
export async function removeWebhook(store: VersionStore, id: string, options: Abortable = {}): Promise<Webhook> {
  const webhook = toWebhook(await webhookEntry(store, id, options));
  for (const kind of [ENTRY.webhook, ENTRY.secret, ENTRY.cursor]) await store.removeEntry({ kind, key: id }, options);
  return webhook;
}

/**
 * Sends a message of the type `webhook.test` to a webhook at once, whatever waits for it.
 *
 * @throws ModelkeepError `INVALID_INPUT` if there is none
 */
export async function testWebhook(
  store: VersionStore,
  id: string,
  { allowPrivate = false, signal = new AbortController().signal }: WebhookPolicy & Abortable = {},
): Promise<Attempt> {
  const { url } = toWebhook(await webhookEntry(store, id, { signal }));
  const secret = await secretOf(store, id, { signal });
  const body = JSON.stringify({ type: 'webhook.test', timestamp: new Date().toISOString(), data: { webhook: id } });
  return post({ url, secret, allowPrivate }, { id: `test_${randomBytes(12).toString('hex')}`, body }, signal);
}

/** The secret of a webhook. @throws ModelkeepError `INVALID_INPUT` if it is gone */
export async function secretOf(store: VersionStore, id: string, options: Abortable = {}): Promise<string> {
  const secret = (await store.readEntry({ kind: ENTRY.secret, key: id }, options))?.value.secret;
  if (typeof secret === 'string') return secret;
  throw invalid(`The webhook ${id} has no secret any more: remove it and add it again`);
}
