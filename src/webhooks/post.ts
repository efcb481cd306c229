import { createHmac, randomBytes } from 'node:crypto';
import { request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { isIP } from 'node:net';
import { asModelkeepError, ModelkeepError, openDeadline } from '../core/index.js';
import { checkAddress, publicLookup } from './address.js';

/** How long a receiver may take for one message, in ms: connecting, reading it and answering. */
export const RECEIVER_TIMEOUT_MS = 10_000;
/** Fewest and most bytes of a secret, as the Standard Webhooks specification says. */
const SECRET_BYTES = Object.freeze({ min: 24, max: 64 });
const PREFIX = 'whsec_';

/** One message to a receiver. */
export interface Message {
  /** The same at each attempt: what a receiver tells repetitions by. */
  readonly id: string;
  readonly body: string;
}

/** Where and how messages go. */
export interface Target {
  readonly url: string;
  /** `whsec_` and base64. */
  readonly secret: string;
  /** Also to loopback, private and link-local addresses. */
  readonly allowPrivate: boolean;
  /** How long it may take for one message, in ms. @defaultValue 10_000 */
  readonly receiverTimeoutMs?: number;
}

/** How one attempt ended. */
export interface Attempt {
  readonly delivered: boolean;
  /** The receiver's answer, if there was one. */
  readonly status?: number;
  /** Why it was not delivered. */
  readonly error?: string;
  /** How long the receiver asks to be left alone, in ms. */
  readonly retryAfterMs?: number;
}

/** A secret of 32 random bytes. */
export function newSecret(): string {
  return `${PREFIX}${randomBytes(32).toString('base64')}`;
}

/** Returns a secret if it is one. @throws ModelkeepError `INVALID_INPUT`; the message does not say what it is */
export function checkSecret(text: string): string {
  const secret = text.trim();
  const encoded = secret.slice(PREFIX.length);
  const bytes = Buffer.from(encoded, 'base64');
  const isWhole =
    secret.startsWith(PREFIX) && bytes.toString('base64').replace(/=+$/, '') === encoded.replace(/=+$/, '');
  if (isWhole && bytes.length >= SECRET_BYTES.min && bytes.length <= SECRET_BYTES.max) return secret;
  throw new ModelkeepError(
    'INVALID_INPUT',
    `The secret of a webhook is "${PREFIX}" and the base64 of ${SECRET_BYTES.min} to ${SECRET_BYTES.max} bytes`,
  );
}

/** The headers of a message, as the Standard Webhooks specification has them. */
export function signedHeaders(message: Message, secret: string, now: Date): Readonly<Record<string, string>> {
  const timestamp = String(Math.floor(now.getTime() / 1_000));
  const key = Buffer.from(secret.slice(PREFIX.length), 'base64');
  const signature = createHmac('sha256', key).update(`${message.id}.${timestamp}.${message.body}`).digest('base64');
  return { 'webhook-id': message.id, 'webhook-timestamp': timestamp, 'webhook-signature': `v1,${signature}` };
}

/**
 * Sends a message once. Redirects are not followed, and no more than the status of the answer is read.
 *
 * @returns how it ended; never rejects for what a receiver does
 * @throws ModelkeepError `CANCELLED` when the signal fires
 */
export async function post(target: Target, message: Message, signal: AbortSignal): Promise<Attempt> {
  const { receiverTimeoutMs = RECEIVER_TIMEOUT_MS } = target;
  const deadline = openDeadline(receiverTimeoutMs, signal);
  try {
    const answer = await send(target, message, deadline.signal);
    const { statusCode: status = 0 } = answer;
    if (status >= 200 && status < 300) return { delivered: true, status };
    const retryAfterMs = 1_000 * Number(answer.headers['retry-after']);
    return {
      delivered: false,
      status,
      error: `it answered ${status}${status >= 300 && status < 400 ? '; redirects are not followed' : ''}`,
      ...(retryAfterMs > 0 ? { retryAfterMs } : {}),
    };
  } catch (error) {
    if (signal.aborted) throw asModelkeepError(signal.reason, 'CANCELLED');
    const late = deadline.signal.aborted ? `it did not answer within ${receiverTimeoutMs} ms` : undefined;
    return { delivered: false, error: late ?? (error as Error).message };
  } finally {
    deadline.clear();
  }
}

function send(target: Target, message: Message, signal: AbortSignal): Promise<IncomingMessage> {
  const url = new URL(target.url);
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const body = Buffer.from(message.body, 'utf8');
  const options: RequestOptions = {
    method: 'POST',
    // A connection of its own: one that is kept would outlive what its address was checked for.
    agent: false,
    signal,
    headers: {
      'content-type': 'application/json',
      'content-length': String(body.length),
      'user-agent': 'modelkeep',
      connection: 'close',
      ...signedHeaders(message, target.secret, new Date()),
    },
    ...(target.allowPrivate ? {} : { lookup: publicLookup }),
  };
  return new Promise((resolve, reject) => {
    // An address needs no look-up, so it is checked here.
    if (!target.allowPrivate && isIP(host) !== 0) checkAddress(host, host);
    const request = (url.protocol === 'https:' ? httpsRequest : httpRequest)(url, options, (response) => {
      // The rest of the answer does not matter, however long it would be.
      response.destroy();
      resolve(response);
    });
    request.on('error', reject);
    request.end(body);
  });
}
