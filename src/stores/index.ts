/** stores/: where versions live: adapters of the version store port, opened by URL. */
export { openStore, type OpenStoreOptions } from './open-store.js';
export { openMemoryStore, createMemoryData, type MemoryData, type MemoryStoreOptions } from './memory/open.js';
export type { LocalStoreOptions } from './local/open.js';
export type { MongoStoreOptions } from './mongodb/open.js';
import type { VersionStore } from '../core/index.js';
import type { LocalStoreOptions } from './local/open.js';
import type { MongoStoreOptions } from './mongodb/open.js';

/** Opens a store in a directory; loads LMDB when first called. See `LocalStoreOptions`. */
export async function openLocalStore(options: LocalStoreOptions): Promise<VersionStore> {
  return (await import('./local/open.js')).openLocalStore(options);
}

/** Opens a store in MongoDB; loads the driver when first called. See `MongoStoreOptions`. */
export async function openMongoStore(options: MongoStoreOptions): Promise<VersionStore> {
  return (await import('./mongodb/open.js')).openMongoStore(options);
}
