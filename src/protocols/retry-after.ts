import type { ModelkeepError } from '../core/index.js';

/** Where nothing says how long the queue is. */
const RETRY_AFTER_MS = 1_000;

/** Time after which a client that was refused for load may try again, in ms: what the queue says. */
export function retryAfterMs({ details }: ModelkeepError): number {
  const { retryAfterMs: said } = details;
  return typeof said === 'number' ? said : RETRY_AFTER_MS;
}
