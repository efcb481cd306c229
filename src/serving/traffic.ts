import { createHash } from 'node:crypto';
import { ModelkeepError, type VersionRecord } from '../core/index.js';
import type { Followed } from '../residency/index.js';

/** Longest request key, in characters. */
export const MAX_KEY_LENGTH = 1_000;

/**
 * Where a key lies between 0 and 100, the same on every node and for ever. Salted by the reference, so that not always the
 * same users get what is new.
 */
export function pointOfKey(reference: string, key: string): number {
  const digest = createHash('sha256').update(reference).update('\0').update(key).digest();
  return (100 * digest.readUInt32BE(0)) / 2 ** 32;
}

/**
 * The version that answers one request of a reference that is followed: the same for the same key as long as the shares
 * are; without a key any, by its share.
 *
 * @throws ModelkeepError `INVALID_INPUT` for a key that is too long
 */
export function chooseRecord({ text, record, shares }: Followed, key: string | undefined): VersionRecord {
  if (key !== undefined && key.length > MAX_KEY_LENGTH) {
    const message = `The request key has ${key.length} characters, at most ${MAX_KEY_LENGTH} are allowed`;
    throw new ModelkeepError('INVALID_INPUT', message);
  }
  if (shares === undefined) return record;
  const point = key === undefined ? 100 * Math.random() : pointOfKey(text, key);
  let end = 0;
  for (const share of shares) {
    end += share.percent;
    if (point < end) return share.record;
  }
  return record;
}
