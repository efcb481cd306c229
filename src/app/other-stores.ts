import { ModelkeepError, type VersionStore } from '../core/index.js';
import { openStore } from '../stores/index.js';
import type { Settings } from './settings.js';

/**
 * Opens stores by the names that the operator gave them: a request cannot make this machine connect or write anywhere
 * else, and never sees a password. Whoever opens one closes it.
 */
export function otherStoreOpener(
  settings: Pick<Settings, 'otherStores' | 'bucket' | 'pollIntervalMs'>,
): (name: string) => Promise<VersionStore> {
  const urls = new Map(settings.otherStores.map((one) => splitNamed(one)));
  return async (name) => {
    const url = urls.get(name);
    if (url !== undefined) return openStore(url, settings);
    const known = urls.size === 0 ? 'none is' : `${[...urls.keys()].join(', ')} are`;
    throw new ModelkeepError(
      'INVALID_INPUT',
      `No other store is named ${JSON.stringify(name.slice(0, 100))} (${known} known): the operator names them with --other-stores`,
    );
  };
}

/** Name and URL of `backup=mongodb://HOST/DB`. */
export function splitNamed(text: string): readonly [name: string, url: string] {
  const at = text.indexOf('=');
  return [text.slice(0, at), text.slice(at + 1)];
}
