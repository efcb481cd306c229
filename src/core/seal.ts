/**
 * Modification times that mark files whose bytes were verified, in milliseconds. Anything that writes to a file changes
 * its time, so one look tells that the bytes are still those that were hashed. Files of an embedded store and of a node's
 * cache may be one file under two names; a cache trusts only what it has hashed itself.
 */
export const SEAL_MS = Object.freeze({
  /** 2000-01-01T00:00:00Z: a node's cache has hashed it. */
  cached: 946_684_800_000,
  /** A second later: an embedded store has hashed it as it was written. */
  stored: 946_684_801_000,
});
