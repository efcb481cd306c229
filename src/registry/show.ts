import type { Abortable, AliasRecord, Manifest, Reference, VersionRecord, VersionStore } from '../core/index.js';

/** Everything that is known of one version. */
export interface Shown {
  readonly record: VersionRecord;
  readonly manifest: Manifest;
  /** Aliases that point at it. */
  readonly aliases: readonly AliasRecord[];
}

/** Reads all that is known of a version. @throws ModelkeepError what resolving or reading the manifest says */
export async function show(store: VersionStore, reference: Reference, options: Abortable = {}): Promise<Shown> {
  const found = await store.resolve(reference, options);
  const manifest = await store.readManifest(found, options);
  // Reading the manifest is what gives a version that a script stored its digest and format.
  const record = found.digest === undefined ? await store.resolve(reference, options) : found;
  const aliases = await store.listAliases({ model: record.model }, options);
  return { record, manifest, aliases: aliases.filter(({ version }) => version === record.version) };
}
