import { ModelkeepError } from './errors.js';
import type { StoreEvent } from './version.js';

/**
 * A small document beside the versions, such as a signature, a webhook or a lease: JSON under a kind and a key, changed
 * by compare-and-set on its revision.
 */
export interface StoredEntry {
  /** What it is, such as `signature`. */
  readonly kind: string;
  /** Which one it is among those of its kind. */
  readonly key: string;
  /** Grows by one with each write, beginning with 1; what compare-and-set compares. */
  readonly revision: number;
  /** Its JSON. */
  readonly value: Readonly<Record<string, unknown>>;
}

/** Names an entry. */
export type EntryName = Pick<StoredEntry, 'kind' | 'key'>;

/** An event that is about to be recorded; the store gives it its id and time. */
export type NewEvent = DistributiveOmit<StoreEvent, 'id' | 'at'>;

type DistributiveOmit<T, Keys extends PropertyKey> = T extends unknown ? Omit<T, Keys> : never;

/** How a write or a removal of an entry is made. */
export interface EntryChange extends EntryName {
  /** Only if it has this revision now; `null`: only if it is not there. Absent: whatever it is. */
  readonly expect?: number | null;
  /** Recorded with the change, in one transaction where the deployment has them. */
  readonly event?: Exclude<NewEvent, { readonly kind: 'published' }>;
}

/** A write of an entry. */
export interface EntryWrite extends EntryChange {
  readonly value: Readonly<Record<string, unknown>>;
}

/** Largest entry as JSON: 8 MiB, half of MongoDB's limit of a document. */
export const MAX_ENTRY_BYTES = 8 * 1024 * 1024;

const KIND = /^[a-z][a-z0-9-]{0,63}$/;
const KEY = /^[A-Za-z0-9._:/@-]{1,300}$/;

/**
 * Checks the name of an entry, and its value where there is one.
 *
 * @returns the value's JSON
 * @throws ModelkeepError `INVALID_INPUT` for a malformed name, or more than {@link MAX_ENTRY_BYTES}
 */
export function checkEntry({ kind, key }: EntryName, value: Readonly<Record<string, unknown>> = {}): string {
  if (!KIND.test(kind) || !KEY.test(key)) {
    throw new ModelkeepError('INVALID_INPUT', `${JSON.stringify(`${kind} ${key}`.slice(0, 100))} names no entry`);
  }
  const json = JSON.stringify(value);
  const bytes = Buffer.byteLength(json);
  if (bytes <= MAX_ENTRY_BYTES) return json;
  throw new ModelkeepError(
    'INVALID_INPUT',
    `The ${kind} "${key}" has ${bytes} bytes as JSON, at most ${MAX_ENTRY_BYTES} are kept`,
  );
}
