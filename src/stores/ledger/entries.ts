import type { EntryChange, EntryName, EntryWrite, StoredEntry } from '../../core/index.js';
import { appendEvent } from './records.js';
import { KEYS, type LedgerTable } from './table.js';

/** An entry, if it is there. */
export function entryRow(table: LedgerTable, { kind, key }: EntryName): StoredEntry | undefined {
  const row = table.get(KEYS.entry(kind, key));
  return row === undefined ? undefined : (JSON.parse(row) as StoredEntry);
}

/** The entries of a kind whose key begins with `prefix`. */
export function entryRows(table: LedgerTable, kind: string, prefix: string | undefined): StoredEntry[] {
  return Array.from(table.range(KEYS.entries(kind, prefix)), (row) => JSON.parse(row) as StoredEntry);
}

function isExpected(before: StoredEntry | undefined, { expect }: EntryChange): boolean {
  return expect === undefined || (before?.revision ?? null) === expect;
}

/** Makes or replaces an entry; undefined if `expect` does not hold. */
export function putEntry(table: LedgerTable, write: EntryWrite): StoredEntry | undefined {
  const { kind, key, value, event } = write;
  const before = entryRow(table, write);
  if (!isExpected(before, write)) return undefined;
  const entry = { kind, key, revision: (before?.revision ?? 0) + 1, value };
  table.put(KEYS.entry(kind, key), JSON.stringify(entry));
  if (event !== undefined) appendEvent(table, event);
  return entry;
}

/** Removes an entry; false if it is not there or `expect` does not hold. */
export function dropEntry(table: LedgerTable, change: EntryChange): boolean {
  const before = entryRow(table, change);
  if (before === undefined || !isExpected(before, change)) return false;
  table.remove(KEYS.entry(change.kind, change.key));
  if (change.event !== undefined) appendEvent(table, change.event);
  return true;
}
