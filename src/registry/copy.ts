import {
  contentSize,
  ModelkeepError,
  throwIfAborted,
  type Abortable,
  type AliasRecord,
  type Reference,
  type TransferProgress,
  type VersionRecord,
  type VersionStore,
} from '../core/index.js';
import { copyAliases, renumbered } from './copy-names.js';
import { storedContent } from './stored-content.js';

/** Options of {@link copy}. */
export interface CopyOptions extends Abortable {
  /**
   * Point the aliases of the copied versions at the copies, too, with what guards them; a split or shadow goes along if
   * all its versions were copied. @defaultValue false
   */
  readonly withAliases?: boolean;
  /** Copy what happened to the copied versions into the history, too. @defaultValue false */
  readonly withHistory?: boolean;
  /** Who copies, for the moves of aliases. */
  readonly by?: string;
  /** Called often with how far the version is that is being copied. */
  readonly onProgress?: (version: string, progress: TransferProgress) => void;
}

/** A version that was copied. */
export interface CopiedVersion {
  readonly source: VersionRecord;
  readonly record: VersionRecord;
  /** False if the other store had it already. */
  readonly created: boolean;
  readonly sentBytes: number;
  readonly reusedBytes: number;
}

/** What a copy did. */
export interface Copied {
  readonly versions: readonly CopiedVersion[];
  /** As they are in the other store now. */
  readonly aliases: readonly AliasRecord[];
  /** Events that were new to the other store. */
  readonly events: number;
}

/**
 * Copies one version, or (with a reference to a model alone) all versions of a model but deleted ones, into another
 * store. Only segments that are missing there are sent; a copy that was cut off is repeated and goes on. A version keeps
 * its number where the model never had a version of that number there, else it gets the next one; what was copied
 * before is found again and not copied twice.
 *
 * @throws ModelkeepError what either store says; `INVALID_INPUT` for a copy of a store into itself
 */
export async function copy(
  from: VersionStore,
  to: VersionStore,
  reference: Reference,
  options: CopyOptions = {},
): Promise<Copied> {
  if (from.location === to.location && from.location !== 'memory:') {
    throw new ModelkeepError('INVALID_INPUT', `${from.location} cannot be copied into itself: name another store`);
  }
  const abortable = options.signal === undefined ? {} : { signal: options.signal };
  const { model } = reference;
  const first = await from.resolve(reference, abortable);
  const records = reference.selector.kind === 'latest' ? await from.listVersions({ model }, abortable) : [first];
  const versions: CopiedVersion[] = [];
  for (const record of records) {
    throwIfAborted(options.signal);
    versions.push(await copyOne(from, to, record, options));
  }
  const numbers = new Map(versions.map(({ source, record }) => [source.version, record.version]));
  const events = options.withHistory === true ? await copyHistory(from, to, model, numbers, abortable) : 0;
  const aliases = options.withAliases === true ? await copyAliases(from, to, model, numbers, options) : [];
  return { versions, aliases, events };
}

async function copyOne(
  from: VersionStore,
  to: VersionStore,
  listed: VersionRecord,
  { signal, onProgress }: CopyOptions,
): Promise<CopiedVersion> {
  const abortable = signal === undefined ? {} : { signal };
  const manifest = await from.readManifest(listed, abortable);
  // Reading the manifest is what gives a version that a script stored its digest.
  const source = listed.digest === undefined ? await again(from, listed, abortable) : listed;
  const there = await copiedBefore(to, source, abortable);
  if (there !== undefined) {
    return { source, record: there, created: false, sentBytes: 0, reusedBytes: contentSize(manifest) };
  }
  const { model, version, publishedAt, publishedBy, message, parent, metadata } = source;
  const draft = {
    model,
    manifest,
    version,
    publishedAt,
    metadata,
    force: true,
    ...(publishedBy === undefined ? {} : { publishedBy }),
    ...(message === undefined ? {} : { message }),
    ...(parent === undefined ? {} : { parent }),
  };
  const result = await to.publish(draft, storedContent(from, source, manifest), {
    ...abortable,
    ...(onProgress === undefined
      ? {}
      : { onProgress: (progress: TransferProgress) => onProgress(`${model}:${version}`, progress) }),
  });
  if (source.state !== 'archived') return { source, ...result };
  return { source, ...result, record: await to.setState(model, result.record.version, 'archived') };
}

async function again(
  store: VersionStore,
  { model, version }: VersionRecord,
  options: Abortable,
): Promise<VersionRecord> {
  return store.resolve({ model, selector: { kind: 'version', version } }, options);
}

/** The copy that an earlier run has made: of the same contents, published at the same moment. */
async function copiedBefore(
  to: VersionStore,
  { model, digest, publishedAt }: VersionRecord,
  options: Abortable,
): Promise<VersionRecord | undefined> {
  const versions = await to.listVersions({ model, deleted: true }, options);
  return versions.find((one) => one.digest === digest && one.publishedAt.getTime() === publishedAt.getTime());
}

/** Events of copied versions, under the numbers that these have now. */
async function copyHistory(
  from: VersionStore,
  to: VersionStore,
  model: string,
  numbers: ReadonlyMap<number, number>,
  options: Abortable,
): Promise<number> {
  const events = (await from.listEvents({ model }, options)).toReversed();
  return to.importEvents(
    events.flatMap((event) => renumbered(event, numbers) ?? []),
    options,
  );
}
