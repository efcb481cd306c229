import { fileURLToPath } from 'node:url';
import { ModelkeepError, type VersionStore } from '../core/index.js';

/**
 * Opens the store that a URL names: `file:///DIR` or a plain path, or `memory:`. Each adapter is loaded when needed.
 *
 * @throws ModelkeepError `STORE_UNAVAILABLE` for a scheme that no adapter serves
 */
export async function openStore(url: string): Promise<VersionStore> {
  const scheme = /^([a-z][a-z0-9+.-]+):/i.exec(url)?.[1]?.toLowerCase();
  if (scheme === undefined || scheme === 'file') {
    const { openLocalStore } = await import('./local/open.js');
    return openLocalStore({ directory: scheme === undefined ? url : fileURLToPath(url) });
  }
  if (scheme === 'memory') return (await import('./memory/open.js')).openMemoryStore();
  throw new ModelkeepError(
    'STORE_UNAVAILABLE',
    `No store serves the scheme "${scheme}:": write file:///DIR, a plain path, or memory:`,
  );
}
