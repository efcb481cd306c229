/** An ordered table of texts, as it looks inside one transaction; not to be used outside of it. */
export interface LedgerTable {
  /** The entry under a key of {@link KEYS}. */
  get(key: string): string | undefined;
  /** Makes or replaces an entry. */
  put(key: string, value: string): void;
  /** Removes an entry, if it is there. */
  remove(key: string): void;
  /**
   * The entries whose key begins with `prefix`, in key order, or the last one first with `reverse`. Read as they are
   * asked for: taking the first only costs one entry.
   */
  range(
    prefix: string,
    options?: {
      readonly reverse?: boolean;
      readonly limit?: number;
      /** Only keys above this one, without `reverse`. */
      readonly after?: string;
    },
  ): Iterable<string>;
}

/** A place for a ledger: transactions over one table. */
export interface LedgerStorage {
  /** Runs `work` on a snapshot that is at least as new as every write that ended before. */
  read<T>(work: (table: LedgerTable) => T): T;
  /** Runs `work` alone among all writers; durable when it returns, without effect if `work` throws. */
  write<T>(work: (table: LedgerTable) => T): T;
}

/** Sorts below every character of a name, so that keys of `a` come before those of `a-b`. */
const SEPARATOR = ' ';

function key(...parts: readonly string[]): string {
  return parts.join(SEPARATOR);
}

function padded(number: number): string {
  return String(number).padStart(16, '0');
}

/** The keys of the table; a trailing empty part makes a prefix. */
export const KEYS = Object.freeze({
  format: 'format',
  change: (model: string): string => key('change', model),
  versions: (model?: string): string => (model === undefined ? key('version', '') : key('version', model, '')),
  version: (model: string, version: number): string => key('version', model, padded(version)),
  manifest: (digest: string): string => key('manifest', digest),
  aliases: (model?: string): string => (model === undefined ? key('alias', '') : key('alias', model, '')),
  alias: (model: string, alias: string): string => key('alias', model, alias),
  events: (model: string): string => key('event', model, ''),
  event: (model: string, sequence: number): string => key('event', model, padded(sequence)),
  /** The latest time that the store's clock has shown, in ms since 1970. */
  clock: 'clock',
  segments: key('segment', ''),
  segment: (digest: string): string => key('segment', digest),
  retentions: key('retention', ''),
  retention: (model: string): string => key('retention', model),
  feedEnd: 'feed-end',
  feed: (from?: number): string => (from === undefined ? key('feed', '') : key('feed', padded(from))),
  entries: (kind: string, prefix = ''): string => key('entry', kind, prefix),
  entry: (kind: string, name: string): string => key('entry', kind, name),
  nodes: key('node', ''),
  node: (node: string): string => key('node', node),
});
