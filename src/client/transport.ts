import { ModelkeepClientError, type ClientErrorCode } from './error.js';
import { CLIENT_DEFAULTS, FIRST_PAUSE_MS, LONGEST_PAUSE_MS, type ClientOptions } from './options.js';

/** One call. */
export interface Call {
  readonly method: 'GET' | 'POST';
  /** Below the server's URL, beginning with `/`. */
  readonly path: string;
  readonly body?: unknown;
  readonly signal?: AbortSignal | undefined;
  /** @defaultValue the client's */
  readonly timeoutMs?: number | undefined;
}

/** Sends calls: deadlines, retries, errors. */
export class Transport {
  readonly #options: ClientOptions;
  readonly #base: string;

  constructor(options: ClientOptions) {
    this.#options = options;
    this.#base = options.url.replace(/\/+$/, '');
  }

  /** @throws ModelkeepClientError */
  async send(call: Call): Promise<Response> {
    const { retries = CLIENT_DEFAULTS.retries } = this.#options;
    const deadline = deadlineOf(call, this.#options.timeoutMs ?? CLIENT_DEFAULTS.timeoutMs);
    try {
      for (let attempt = 0; ; attempt += 1) {
        if (deadline.signal.aborted) throw deadline.reason();
        const outcome = await this.#attempt(call, deadline);
        if (!(outcome instanceof ModelkeepClientError)) return outcome;
        const pauseMs = pauseBefore(attempt, retryAfterMs(outcome));
        if (attempt >= retries || !isWorthRetrying(outcome) || pauseMs >= deadline.leftMs()) throw outcome;
        await pause(pauseMs, deadline.signal);
      }
    } catch (error) {
      throw deadline.signal.aborted ? deadline.reason() : error;
    } finally {
      deadline.clear();
    }
  }

  /** @throws ModelkeepClientError */
  async json<T>(call: Call): Promise<T> {
    return (await (await this.send(call)).json()) as T;
  }

  async #attempt(call: Call, { signal, leftMs }: Deadline): Promise<Response | ModelkeepClientError> {
    const { key, fetch: send = fetch } = this.#options;
    const headers: Record<string, string> = { accept: 'application/json' };
    const credential = typeof key === 'function' ? await key() : key;
    if (credential !== undefined) headers['authorization'] = `Bearer ${credential}`;
    if (call.body !== undefined) headers['content-type'] = 'application/json';
    // The server stops what nobody waits for any more.
    if (leftMs() !== Number.POSITIVE_INFINITY) headers['x-modelkeep-timeout-ms'] = String(Math.ceil(leftMs()));
    const body = call.body === undefined ? {} : { body: JSON.stringify(call.body) };
    try {
      const response = await send(`${this.#base}${call.path}`, { method: call.method, headers, signal, ...body });
      if (!response.ok) return await errorOf(response);
      // Read here, so that an answer that is cut off is tried again like one that never came.
      const bytes = await response.arrayBuffer();
      return new Response(bytes, { status: response.status, headers: response.headers });
    } catch (cause) {
      return new ModelkeepClientError('NETWORK', `No answer from ${this.#base}: ${String(cause)}`, { cause });
    }
  }
}

interface Deadline {
  readonly signal: AbortSignal;
  readonly leftMs: () => number;
  /** Why the signal fired. */
  readonly reason: () => ModelkeepClientError;
  readonly clear: () => void;
}

function deadlineOf({ signal, timeoutMs }: Call, defaultMs: number): Deadline {
  const limitMs = timeoutMs ?? defaultMs;
  const controller = new AbortController();
  const giveUp = (): void => controller.abort();
  const endMs = limitMs === 0 ? Number.POSITIVE_INFINITY : performance.now() + limitMs;
  const timer = limitMs === 0 ? undefined : setTimeout(giveUp, limitMs);
  if (signal?.aborted === true) giveUp();
  signal?.addEventListener('abort', giveUp, { once: true });
  return {
    signal: controller.signal,
    leftMs: () => Math.max(1, endMs - performance.now()),
    reason: () =>
      signal?.aborted === true
        ? new ModelkeepClientError('CANCELLED', 'The call was given up', { cause: signal.reason })
        : new ModelkeepClientError('DEADLINE_EXCEEDED', `The call was not answered within ${limitMs} ms`),
    clear: () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', giveUp);
    },
  };
}

/** Refused for now, or never arrived; every call may be made twice. */
function isWorthRetrying({ code, status }: ModelkeepClientError): boolean {
  return code === 'NETWORK' || status === 429 || status === 503;
}

function retryAfterMs({ details }: ModelkeepClientError): number {
  const seconds = Number(details['retryAfterSeconds'] ?? 0);
  return Number.isFinite(seconds) && seconds > 0 ? seconds * 1_000 : 0;
}

/** A random pause up to a bound that doubles, so that clients that were refused at once do not come back at once. */
function pauseBefore(attempt: number, atLeastMs: number): number {
  const jitterMs = Math.random() * Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** attempt);
  return atLeastMs + jitterMs;
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener('abort', end, { once: true });
  });
}

async function errorOf(response: Response): Promise<ModelkeepClientError> {
  const { status, headers } = response;
  const text = await response.text();
  const retryAfter = headers.get('retry-after');
  const facts = { status, requestId: headers.get('x-request-id') ?? undefined };
  const wait = retryAfter === null ? {} : { retryAfterSeconds: Number(retryAfter) };
  const { error, code, details } = fieldsOf(text);
  // The OpenAI form has them one level deeper.
  const inner = typeof error === 'object' && error !== null ? (error as { message?: unknown; code?: unknown }) : {};
  const message = typeof error === 'string' ? error : inner.message;
  const known = code ?? inner.code;
  return new ModelkeepClientError(
    typeof known === 'string' ? (known as ClientErrorCode) : 'NETWORK',
    typeof message === 'string' ? message : `The answer was ${status}: ${text.slice(0, 200)}`,
    { ...facts, details: { ...(details as object | undefined), ...wait } },
  );
}

function fieldsOf(text: string): { readonly error?: unknown; readonly code?: unknown; readonly details?: unknown } {
  try {
    const parsed: unknown = JSON.parse(text);
    return typeof parsed === 'object' && parsed !== null ? parsed : {};
  } catch {
    // What stands between client and server may answer anything.
    return {};
  }
}
