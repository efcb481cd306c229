import { randomBytes } from 'node:crypto';
import { link, open as openFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { open, type Database, type RootDatabase } from 'lmdb';
import { ModelkeepError } from '../../core/index.js';
import { KEYS, type LedgerStorage, type LedgerTable } from '../ledger/table.js';
import { isMissing } from './durable.js';

/** Number of the layout of the directory; another one is refused. */
const FORMAT = '1';

/** Bytes of a new lock file: more than LMDB's table of 126 readers takes (8,272), in whole pages of 4,096. */
const LOCK_BYTES = 12_288;

/** What begins the first page of an LMDB file (`MDB_MAGIC` of mdb.c), behind a page header of 16 or 24 bytes. */
const MAGIC = 0xbeefc0de;

/** A ledger in LMDB, which several processes may use at once. */
export interface LmdbLedger extends LedgerStorage {
  /** Lets go of the files; the ledger cannot be used afterwards. */
  close(): Promise<void>;
}

function tableOf(db: Database<string, string>): LedgerTable {
  return {
    get: (key) => db.get(key),
    put: (key, value) => db.putSync(key, value),
    remove: (key) => void db.removeSync(key),
    range: (prefix, { reverse = false, limit, after } = {}) => {
      // U+FFFF sorts behind every character that a key holds.
      const [first, last] = [prefix, `${prefix}\uffff`];
      const ends = reverse
        ? { start: last, end: first, reverse }
        : { start: after ?? first, end: last, exclusiveStart: after !== undefined };
      return db.getRange({ ...ends, ...(limit === undefined ? {} : { limit }) }).map(({ value }) => value);
    },
  };
}

/**
 * Makes LMDB's lock file with all of its bytes on the disk. LMDB would make it with a hole, map it, and be ended by the
 * system (SIGBUS) when it first writes to it on a full disk.
 */
async function prepareLock(path: string): Promise<void> {
  const lock = join(path, 'lock.mdb');
  try {
    await stat(lock);
    return;
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
  // Under a name of its own first: another process may be about to use the lock file.
  const made = `${lock}.${randomBytes(6).toString('hex')}`;
  try {
    const handle = await openFile(made, 'wx', 0o600);
    try {
      await handle.writeFile(Buffer.alloc(LOCK_BYTES));
      await handle.sync();
    } finally {
      await handle.close();
    }
    await link(made, lock);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    await rm(made, { force: true });
  }
}

/** Refuses a file that LMDB did not write, before LMDB trusts what is in it. */
async function checkMagic(path: string, location: string): Promise<void> {
  const head = Buffer.alloc(32);
  let bytesRead: number;
  try {
    const handle = await openFile(join(path, 'data.mdb'), 'r');
    try {
      ({ bytesRead } = await handle.read(head, 0, head.length, 0));
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (isMissing(error)) return;
    throw error;
  }
  const found = [16, 24].some((at) => head.readUInt32LE(at) === MAGIC || head.readUInt32BE(at) === MAGIC);
  if (found || bytesRead === 0) return;
  throw new ModelkeepError(
    'STORE_UNAVAILABLE',
    `The metadata of the store ${location} is damaged: ${join(path, 'data.mdb')} is no LMDB file; restore it from a copy`,
  );
}

function claimFormat(table: LedgerTable): string {
  const there = table.get(KEYS.format);
  if (there === undefined) table.put(KEYS.format, FORMAT);
  return there ?? FORMAT;
}

function ledgerOf(root: RootDatabase<string, string>): LmdbLedger {
  const db = root.openDB<string, string>({ name: 'ledger', encoding: 'string' });
  const table = tableOf(db);
  return {
    read: (work) => {
      // A snapshot is kept for the rest of the event turn; what another process wrote is behind it.
      db.resetReadTxn();
      return work(table);
    },
    write: (work) => db.transactionSync(() => work(table)),
    close: async () => root.close(),
  };
}

/**
 * Opens the ledger of a local store, and makes it if it is new.
 *
 * @param path the directory of LMDB's files
 * @param location the store's URL, for messages
 * @throws ModelkeepError `STORE_UNAVAILABLE` for another format or a file that is none; LMDB's errors as they are
 */
export async function openLmdbLedger(path: string, location: string): Promise<LmdbLedger> {
  await prepareLock(path);
  await checkMagic(path, location);
  const root = open<string, string>({ path, noSubdir: false, encoding: 'string', maxDbs: 4 });
  try {
    const ledger = ledgerOf(root);
    const format = ledger.read((rows) => rows.get(KEYS.format)) ?? ledger.write((rows) => claimFormat(rows));
    if (format === FORMAT) return ledger;
    throw new ModelkeepError(
      'STORE_UNAVAILABLE',
      `The store ${location} has format ${format}, this modelkeep reads format ${FORMAT}: use the modelkeep that wrote it`,
    );
  } catch (error) {
    await root.close();
    throw error;
  }
}
