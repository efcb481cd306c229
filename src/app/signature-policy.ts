import { readFile } from 'node:fs/promises';
import { ModelkeepError, type Abortable, type Manifest, type VersionRecord, type VersionStore } from '../core/index.js';
import { readTrustedKeys, verifySignatures, type TrustedKey } from '../registry/index.js';

/** Says whether a version may be loaded, before a byte of it is fetched; throws if not. */
export type Approval = (record: VersionRecord, manifest: Manifest, options: Abortable) => Promise<void>;

/**
 * What a node demands of versions before it loads them: a signature by one of the keys in these files.
 *
 * @param files PEM files of public Ed25519 keys; none: nothing is demanded
 * @throws ModelkeepError `INVALID_INPUT` naming the file that cannot be used
 */
export async function signaturePolicy(
  store: VersionStore,
  files: readonly string[],
): Promise<{ readonly approve?: Approval }> {
  if (files.length === 0) return {};
  const trusted = await readKeyFiles(files);
  return {
    approve: async (record, manifest, options) => {
      await verifySignatures(store, record, manifest, trusted, options);
    },
  };
}

/** Reads the keys of PEM files. @throws ModelkeepError `INVALID_INPUT` naming the file that cannot be used */
export async function readKeyFiles(files: readonly string[]): Promise<readonly TrustedKey[]> {
  const keys: TrustedKey[] = [];
  for (const file of files) {
    let pem: string;
    try {
      pem = await readFile(file, 'utf8');
    } catch (error) {
      const { message } = error as Error;
      throw new ModelkeepError('INVALID_INPUT', `The key file ${file} cannot be read: ${message}`, { cause: error });
    }
    keys.push(...readTrustedKeys(pem, file));
  }
  return keys;
}
