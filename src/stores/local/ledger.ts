import { open, type Database } from 'lmdb';
import { ModelkeepError } from '../../core/index.js';
import { KEYS, type LedgerStorage, type LedgerTable } from '../ledger/table.js';

/** Number of the layout of the directory; another one is refused. */
const FORMAT = '1';

/** A ledger in LMDB, which several processes may use at once. */
export interface LmdbLedger extends LedgerStorage {
  close(): Promise<void>;
}

function tableOf(db: Database<string, string>): LedgerTable {
  return {
    get: (key) => db.get(key),
    put: (key, value) => db.putSync(key, value),
    remove: (key) => void db.removeSync(key),
    range: (prefix, { reverse = false, limit } = {}) => {
      // U+FFFF sorts behind every character that a key holds.
      const [first, last] = [prefix, `${prefix}\uffff`];
      const ends = reverse ? { start: last, end: first, reverse } : { start: first, end: last };
      return [...db.getRange({ ...ends, ...(limit === undefined ? {} : { limit }) }).map(({ value }) => value)];
    },
  };
}

/**
 * Opens the ledger of a local store, and makes it if it is new.
 *
 * @throws ModelkeepError `STORE_UNAVAILABLE` for a directory of another format
 */
export async function openLmdbLedger(path: string, location: string): Promise<LmdbLedger> {
  const root = open<string, string>({ path, noSubdir: false, encoding: 'string', maxDbs: 4 });
  const db = root.openDB<string, string>({ name: 'ledger', encoding: 'string' });
  const table = tableOf(db);
  const ledger: LmdbLedger = {
    read: (work) => {
      // A snapshot is kept for the rest of the event turn; what another process wrote is behind it.
      db.resetReadTxn();
      return work(table);
    },
    write: (work) => db.transactionSync(() => work(table)),
    close: async () => root.close(),
  };
  const format = ledger.read((rows) => rows.get(KEYS.format)) ?? ledger.write((rows) => claimFormat(rows));
  if (format !== FORMAT) {
    await ledger.close();
    throw new ModelkeepError(
      'STORE_UNAVAILABLE',
      `The store ${location} has format ${format}, this modelkeep reads format ${FORMAT}: use the modelkeep that wrote it`,
    );
  }
  return ledger;
}

function claimFormat(table: LedgerTable): string {
  const there = table.get(KEYS.format);
  if (there === undefined) table.put(KEYS.format, FORMAT);
  return there ?? FORMAT;
}
