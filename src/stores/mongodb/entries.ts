import type { ClientSession } from 'mongodb';
import { checkEntry, type EntryChange, type EntryName, type EntryWrite, type StoredEntry } from '../../core/index.js';
import { duplicateKey, together, type Database } from './database.js';
import type { EntryDocument } from './documents.js';
import { insertEvent } from './history.js';

function toEntry({ _id: name, revision, value }: EntryDocument): StoredEntry {
  return { kind: name.kind, key: name.key, revision, value: JSON.parse(value) as StoredEntry['value'] };
}

/** In this order of its fields: a database takes `{key, kind}` for another `_id`. */
function idOf({ kind, key }: EntryName): EntryDocument['_id'] {
  return { kind, key };
}

/** An entry, if it is there. */
export async function readEntry({ entries }: Database, name: EntryName): Promise<StoredEntry | undefined> {
  checkEntry(name);
  const found = await entries.findOne({ _id: idOf(name) });
  return found === null ? undefined : toEntry(found);
}

/** The entries of a kind whose key begins with `prefix`, by key. */
export async function listEntries(
  { entries }: Database,
  { kind, prefix = '' }: { readonly kind: string; readonly prefix?: string },
): Promise<StoredEntry[]> {
  const filter = { '_id.kind': kind, '_id.key': { $gte: prefix, $lt: `${prefix}\uffff` } };
  return (await entries.find(filter).sort({ '_id.key': 1 }).toArray()).map(toEntry);
}

/** Makes or replaces an entry; undefined if `expect` does not hold. */
export async function writeEntry(database: Database, write: EntryWrite): Promise<StoredEntry | undefined> {
  const value = checkEntry(write, write.value);
  for (;;) {
    const before = await database.entries.findOne({ _id: idOf(write) }, { projection: { revision: 1 } });
    if (write.expect !== undefined && (before?.revision ?? null) !== write.expect) return undefined;
    const next = { _id: idOf(write), revision: (before?.revision ?? 0) + 1, value };
    if (await put(database, before?.revision, next, write.event)) return toEntry(next);
  }
}

/** Writes the entry and its event; false if somebody was faster. */
async function put(
  database: Database,
  before: number | undefined,
  next: EntryDocument,
  event: EntryWrite['event'],
): Promise<boolean> {
  const { entries } = database;
  const write = async (session: ClientSession | undefined): Promise<boolean> => {
    const options = session === undefined ? {} : { session };
    if (before === undefined) await entries.insertOne(next, options);
    else {
      const { _id, revision, value } = next;
      const result = await entries.updateOne({ _id, revision: before }, { $set: { revision, value } }, options);
      if (result.modifiedCount === 0) return false;
    }
    if (event !== undefined) await insertEvent(database, event, session);
    return true;
  };
  try {
    return await (event === undefined ? write(undefined) : together(database, write));
  } catch (error) {
    if (duplicateKey(error) !== undefined) return false;
    throw error;
  }
}

/** Removes an entry; false if it is not there or `expect` does not hold. */
export async function removeEntry(database: Database, change: EntryChange): Promise<boolean> {
  checkEntry(change);
  if (change.expect === null) return false;
  const filter = { _id: idOf(change), ...(change.expect === undefined ? {} : { revision: change.expect }) };
  return together(database, async (session) => {
    const options = session === undefined ? {} : { session };
    if ((await database.entries.deleteOne(filter, options)).deletedCount === 0) return false;
    if (change.event !== undefined) await insertEvent(database, change.event, session);
    return true;
  });
}
