import {
  versionsOf,
  type Abortable,
  type AliasRecord,
  type Manifest,
  type Reference,
  type VersionRecord,
  type VersionStore,
} from '../core/index.js';

/** Everything that is known of one version. */
export interface Shown {
  readonly record: VersionRecord;
  readonly manifest: Manifest;
  /** Aliases that point at it, or share their requests with it. */
  readonly aliases: readonly AliasRecord[];
  /** Servers that reported lately that they hold it, and the state it is in there. */
  readonly nodes: readonly HoldingNode[];
}

/** A server that holds a version. */
export interface HoldingNode {
  readonly host: string;
  readonly pid: number;
  readonly state: string;
  readonly since: Date;
  /** The precision in which it answers there; absent where the server does not say. */
  readonly precision?: string;
  /** True if its compiled form answers. */
  readonly compiled?: boolean;
}

/** Reads all that is known of a version. @throws ModelkeepError what resolving or reading the manifest says */
export async function show(store: VersionStore, reference: Reference, options: Abortable = {}): Promise<Shown> {
  const found = await store.resolve(reference, options);
  const manifest = await store.readManifest(found, options);
  // Reading the manifest is what gives a version that a script stored its digest and format.
  const record = found.digest === undefined ? await store.resolve(reference, options) : found;
  const aliases = await store.listAliases({ model: record.model }, options);
  const nodes = await holdersOf(store, record, options);
  return { record, manifest, nodes, aliases: aliases.filter((alias) => versionsOf(alias).includes(record.version)) };
}

async function holdersOf(store: VersionStore, record: VersionRecord, options: Abortable): Promise<HoldingNode[]> {
  return (await store.listNodes(options)).flatMap(({ host, pid, holds }) =>
    holds
      .filter(({ model, version }) => model === record.model && version === record.version)
      .map(({ state, since, precision, compiled }) => ({
        host,
        pid,
        state,
        since,
        ...(precision === undefined ? {} : { precision }),
        ...(compiled === undefined ? {} : { compiled }),
      })),
  );
}
