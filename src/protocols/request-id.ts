import { randomUUID } from 'node:crypto';

/** An id that a client may choose for its request; anything else could forge lines of the log. */
const REQUEST_ID = /^[A-Za-z0-9._:-]{1,128}$/;

/** The client's own id of its request (header or metadata `x-request-id`), or a new one. */
export function requestIdOf(given: unknown): string {
  return typeof given === 'string' && REQUEST_ID.test(given) ? given : randomUUID();
}
