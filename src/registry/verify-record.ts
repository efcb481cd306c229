import { asModelkeepError, versionName, type VersionRecord, type VersionStore } from '../core/index.js';
import type { Verified, VerifyOptions } from './verify-options.js';

/**
 * Writes what was found into the history of versions: of each one with problems, and of one that was named and read
 * wholly. A run over the whole store that finds nothing leaves no event, or a nightly one would bury the others. A store
 * that may only be read can be verified too: that it takes no record is told, not thrown.
 */
export async function recordVerified(
  store: VersionStore,
  records: readonly VersionRecord[],
  verified: Verified,
  { deep = false, reference, by, signal }: VerifyOptions,
): Promise<Verified> {
  const isAsked = deep && reference !== undefined;
  const problems = verified.findings.filter(({ severity }) => severity === 'problem');
  for (const { model, version } of records) {
    const name = versionName({ model, version });
    const own = problems.filter(({ places }) => places.some((place) => place.version === name));
    if (own.length === 0 && !isAsked) continue;
    const repaired = own.filter((finding) => finding.repaired === true).length;
    const found = { model, version, deep, problems: own.length - repaired, repaired };
    try {
      await store.recordVerified(
        { ...found, ...(by === undefined ? {} : { by }) },
        signal === undefined ? {} : { signal },
      );
    } catch (thrown) {
      const { code, message } = asModelkeepError(thrown);
      // It was collected meanwhile: its history is over.
      if (code === 'VERSION_NOT_FOUND') continue;
      if (code !== 'STORE_PERMISSION' && code !== 'STORE_UNAVAILABLE') throw thrown;
      return { ...verified, notRecorded: message };
    }
  }
  return verified;
}
