import { fileURLToPath } from 'node:url';
import { ModelkeepError, type VersionStore } from '../core/index.js';

/** Options of {@link openStore}; each adapter takes those that concern it. */
export interface OpenStoreOptions {
  /** GridFS bucket, with MongoDB. @defaultValue 'fs' */
  readonly bucket?: string;
  /** Pause between two looks for changes, in ms, where the store cannot push them. @defaultValue 250 */
  readonly pollIntervalMs?: number;
}

/**
 * Opens the store that a URL names: `file:///DIR` or a plain path, `mongodb://…`, or `memory:`. Each adapter is loaded
 * when it is needed, so that nobody pays for another's driver.
 *
 * @throws ModelkeepError `INVALID_INPUT` for a scheme that no adapter serves; what the adapter says
 */
export async function openStore(url: string, options: OpenStoreOptions = {}): Promise<VersionStore> {
  const scheme = /^([a-z][a-z0-9+.-]+):/i.exec(url)?.[1]?.toLowerCase();
  if (scheme === undefined || scheme === 'file') {
    const { openLocalStore } = await import('./local/open.js');
    return openLocalStore({ directory: scheme === undefined ? url : fileURLToPath(url) });
  }
  if (scheme === 'mongodb' || scheme === 'mongodb+srv') {
    return (await import('./mongodb/open.js')).openMongoStore({ ...options, url });
  }
  if (scheme === 'memory') return (await import('./memory/open.js')).openMemoryStore();
  throw new ModelkeepError(
    'INVALID_INPUT',
    `No store serves the scheme "${scheme}:": write file:///DIR, a plain path, mongodb://HOST/DATABASE, or memory:`,
  );
}
