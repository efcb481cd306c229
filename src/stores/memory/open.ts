import { asModelkeepError, digestOf, type Digest, type Segment, type VersionStore } from '../../core/index.js';
import type { SegmentStorage } from '../ledger/segment-storage.js';
import { createLedgerStore } from '../ledger/store.js';
import type { LedgerStorage, LedgerTable } from '../ledger/table.js';

/** What memory stores that share data hold; made by {@link createMemoryData}. */
export interface MemoryData {
  /** The ledger's entries. */
  readonly rows: Map<string, string>;
  /** The bytes of each segment. */
  readonly segments: Map<Digest, Buffer>;
}

/** Options of {@link openMemoryStore}. */
export interface MemoryStoreOptions {
  /** Data to share with other handles. @defaultValue data of its own */
  readonly data?: MemoryData;
}

/** Makes empty data that several memory stores can share. */
export function createMemoryData(): MemoryData {
  return { rows: new Map(), segments: new Map() };
}

function memoryLedger(rows: Map<string, string>): LedgerStorage {
  const tableOf = (undo: (() => void)[]): LedgerTable => {
    const remember = (key: string): void => {
      const before = rows.get(key);
      undo.push(() => (before === undefined ? rows.delete(key) : rows.set(key, before)));
    };
    return {
      get: (key) => rows.get(key),
      put: (key, value) => {
        remember(key);
        rows.set(key, value);
      },
      remove: (key) => {
        remember(key);
        rows.delete(key);
      },
      range: (prefix, { reverse = false, limit = Number.POSITIVE_INFINITY, after = '' } = {}) => {
        const keys = [...rows.keys()].filter((key) => key.startsWith(prefix) && key > after).toSorted();
        return (reverse ? keys.toReversed() : keys).slice(0, limit).map((key) => rows.get(key) ?? '');
      },
    };
  };
  return {
    read: (work) => work(tableOf([])),
    write: (work) => {
      const undo: (() => void)[] = [];
      try {
        return work(tableOf(undo));
      } catch (error) {
        for (const step of undo.toReversed()) step();
        throw error;
      }
    },
  };
}

function memorySegments(segments: Map<Digest, Buffer>): SegmentStorage {
  return {
    has: async ({ digest }: Segment) => {
      const bytes = segments.get(digest);
      return bytes !== undefined && digestOf(bytes) === digest;
    },
    write: async ({ digest }, bytes) => {
      const parts: Uint8Array[] = [];
      for await (const part of bytes) parts.push(Buffer.from(part));
      segments.set(digest, Buffer.concat(parts));
    },
    settle: async () => undefined,
    list: async function* list() {
      for (const [digest, bytes] of segments) yield { digest, size: bytes.length };
    },
    removeSync: (digest) => void segments.delete(digest),
    read: async ({ digest }, start) => {
      const bytes = segments.get(digest);
      return bytes === undefined
        ? undefined
        : (async function* part() {
            if (start < bytes.length) yield bytes.subarray(start);
          })();
    },
    close: async () => undefined,
  };
}

/** Opens a store in memory, for tests: all is gone when the last handle to its data is. */
export async function openMemoryStore(options: MemoryStoreOptions = {}): Promise<VersionStore> {
  const data = options.data ?? createMemoryData();
  return createLedgerStore({
    location: 'memory:',
    capabilities: { changes: 'poll', localFiles: false },
    ledger: memoryLedger(data.rows),
    segments: memorySegments(data.segments),
    translate: asModelkeepError,
    close: async () => undefined,
  });
}
