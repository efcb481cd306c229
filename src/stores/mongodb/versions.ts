import { ObjectId } from 'mongodb';
import {
  contentSize,
  decodeManifest,
  digestMatches,
  digestOf,
  formatReference,
  manifestDigest,
  matchesWhere,
  ModelkeepError,
  versionName,
  type Manifest,
  type Reference,
  type VersionRecord,
  type Where,
} from '../../core/index.js';
import { adopt, describeAdopted, recordAdopted } from './adoption.js';
import type { Database } from './database.js';
import { MANIFEST_CONTENT_TYPE, toRecord, UNADOPTED, type FileDocument, type StatusDocument } from './documents.js';
import { damaged, readRange, type StoredBytes } from './stored-bytes.js';
import { whereFilter } from './where-filter.js';

/** Versions named in an error message. */
const SHOWN = 10;

/** States of versions that are there, and of those that can be restored besides. */
const THERE = Object.freeze(['ready', 'archived'] as const);
const RESTORABLE = Object.freeze([...THERE, 'deleted'] as const);

/** All versions of a model, or of all; what plain scripts inserted is adopted first. */
export async function listVersions(
  database: Database,
  {
    model,
    where,
    deleted = false,
  }: { readonly model?: string; readonly where?: Where; readonly deleted?: boolean } = {},
): Promise<VersionRecord[]> {
  await adopt(database, model);
  const filter = {
    state: { $in: deleted ? RESTORABLE : THERE },
    ...(model === undefined ? {} : { model_name: model }),
    ...(where === undefined ? {} : whereFilter(where)),
  };
  const found = await database.status.find(filter).sort({ model_name: 1, version: 1 }).toArray();
  const records = found.map(toRecord);
  // The filter lets through a little more than is meant where the database cannot say it.
  return where === undefined ? records : records.filter((record) => matchesWhere(record, where));
}

/** The newest version that is not archived. */
export async function newestReady(database: Database, model: string): Promise<VersionRecord | undefined> {
  await adopt(database, model);
  const [found] = await database.status
    .find({ model_name: model, state: 'ready' })
    .sort({ version: -1 })
    .limit(1)
    .toArray();
  return found === undefined ? undefined : toRecord(found);
}

/** @throws ModelkeepError `MODEL_NOT_FOUND` */
export async function checkModel(database: Database, model: string): Promise<void> {
  if ((await database.status.findOne({ model_name: model }, { projection: { _id: 1 } })) !== null) return;
  const known = await database.status.distinct('model_name');
  const hint =
    known.length === 0
      ? 'The store is empty'
      : `The store has ${known.slice(0, SHOWN).join(', ')}${known.length > SHOWN ? ' …' : ''}`;
  throw new ModelkeepError('MODEL_NOT_FOUND', `There is no model "${model}". ${hint}`, { details: { model } });
}

/**
 * One version by its number; a deleted one too, if `deleted` says so.
 *
 * @throws ModelkeepError `MODEL_NOT_FOUND`, `VERSION_NOT_FOUND`
 */
export async function getVersion(
  database: Database,
  model: string,
  version: number,
  deleted = false,
): Promise<VersionRecord> {
  const find = (): Promise<StatusDocument | null> => database.status.findOne({ model_name: model, version });
  let found = await find();
  if (found === null) {
    await adopt(database, model);
    found = await find();
  }
  if (found !== null) {
    if (found.state !== 'collected' && (deleted || found.state !== 'deleted')) return toRecord(found);
    const why = found.state === 'deleted' ? 'was deleted: restore it first' : 'was deleted and its data collected';
    throw new ModelkeepError('VERSION_NOT_FOUND', `"${model}:${version}" ${why}`, { details: { model, version } });
  }
  await checkModel(database, model);
  const numbers = (await listVersions(database, { model })).map((record) => record.version);
  const hint = numbers.length > SHOWN ? `1 to ${numbers.at(-1)}` : numbers.join(', ');
  throw new ModelkeepError('VERSION_NOT_FOUND', `There is no version ${version} of "${model}"; there are ${hint}`, {
    details: { model, version },
  });
}

/** What a reference means. @throws ModelkeepError as `VersionStore.resolve` */
export async function resolve(database: Database, reference: Reference): Promise<VersionRecord> {
  const { model, selector } = reference;
  switch (selector.kind) {
    case 'latest': {
      const newest = await newestReady(database, model);
      if (newest !== undefined) return newest;
      await checkModel(database, model);
      throw new ModelkeepError(
        'VERSION_NOT_FOUND',
        `No version of "${model}" is ready: restore one, or name an archived one by its number`,
        { details: { model } },
      );
    }
    case 'version':
      return getVersion(database, model, selector.version);
    case 'alias': {
      const alias = await database.aliases.findOne({ _id: { model_name: model, alias: selector.alias } });
      if (alias !== null) return getVersion(database, model, alias.version);
      await checkModel(database, model);
      throw new ModelkeepError(
        'ALIAS_NOT_FOUND',
        `"${model}" has no alias "${selector.alias}": list them with modelkeep alias list ${model}`,
        { details: { model, alias: selector.alias } },
      );
    }
    case 'digest':
      return byDigest(database, reference, selector.digest);
  }
}

/** The newest version of that digest. */
async function byDigest(database: Database, reference: Reference, digest: string): Promise<VersionRecord> {
  const { model } = reference;
  const records = (await listVersions(database, { model })).filter(
    (record) => record.digest !== undefined && digestMatches(record.digest, digest),
  );
  const isWhole = digest.length === 'sha256:'.length + 64;
  if (records.length > 1 && !isWhole) {
    throw new ModelkeepError(
      'INVALID_REFERENCE',
      `${formatReference(reference)} fits ${records.map(versionName).join(', ')}: write the version's number`,
    );
  }
  const last = records.at(-1);
  if (last !== undefined) return last;
  await checkModel(database, model);
  throw new ModelkeepError('VERSION_NOT_FOUND', `No version of "${model}" has the digest ${digest}`, {
    details: { model, digest },
  });
}

/**
 * True if the reference still means that version. One query that returns at most two version numbers: for `latest` the
 * newest ones from `version` on, together with anything that no one has adopted yet.
 */
export async function isCurrent(database: Database, { model, selector }: Reference, version: number): Promise<boolean> {
  switch (selector.kind) {
    case 'latest': {
      const newer = { $or: [UNADOPTED, { state: 'ready' as const, version: { $gte: version } }] };
      const found = await database.status
        .find({ model_name: model, ...newer }, { projection: { _id: 0, version: 1 } })
        .limit(2)
        .toArray();
      return found.length === 1 && found[0]?.version === version;
    }
    case 'alias':
      return (
        (
          await database.aliases.findOne(
            { _id: { model_name: model, alias: selector.alias } },
            { projection: { _id: 0, version: 1 } },
          )
        )?.version === version
      );
    case 'version':
      return selector.version === version && (await exists(database, model, version)) !== null;
    case 'digest': {
      const digest = (await exists(database, model, version))?.digest;
      return digest !== undefined && digestMatches(digest, selector.digest);
    }
  }
}

function exists({ status }: Database, model: string, version: number): Promise<Pick<StatusDocument, 'digest'> | null> {
  const filter = { model_name: model, version, state: { $in: THERE } };
  return status.findOne(filter, { projection: { _id: 0, version: 1, digest: 1 } });
}

function nameOf(record: VersionRecord): StoredBytes {
  return { name: `file of ${versionName(record)}` };
}

/** The version's own GridFS file. @throws ModelkeepError `DIGEST_MISMATCH` if it is not there */
export async function ownFile({ files }: Database, record: VersionRecord): Promise<FileDocument> {
  const file = await files.findOne({ _id: new ObjectId(record.id) });
  if (file === null) throw damaged(nameOf(record), `no GridFS file has the _id ${record.id}`);
  return file;
}

/** The manifest of a version. @throws ModelkeepError as `VersionStore.readManifest` */
export async function readManifest(database: Database, record: VersionRecord, signal?: AbortSignal): Promise<Manifest> {
  await checkThere(database, record);
  try {
    return await readOwnManifest(database, record, signal);
  } catch (error) {
    // What is collected meanwhile is removed, not damaged.
    await checkThere(database, record);
    throw error;
  }
}

async function checkThere({ status }: Database, { id, model, version }: VersionRecord): Promise<void> {
  const there = { file_id: new ObjectId(id), state: { $ne: 'collected' as const } };
  if ((await status.findOne(there, { projection: { _id: 1 } })) !== null) return;
  throw new ModelkeepError('VERSION_NOT_FOUND', `${model}:${version} is no longer in the store`, {
    details: { model, version },
  });
}

async function readOwnManifest(
  database: Database,
  record: VersionRecord,
  signal: AbortSignal | undefined,
): Promise<Manifest> {
  const file = await ownFile(database, record);
  const what = nameOf(record);
  const manifest = await manifestOf(database, file, record, signal);
  const digest = manifestDigest(manifest);
  if (record.digest === undefined)
    await recordAdopted(database, new ObjectId(record.id), {
      digest,
      format: manifest.format,
      size: contentSize(manifest),
    });
  else if (record.digest !== digest)
    throw damaged(what, `its manifest has the digest ${digest}, ${record.digest} was published`);
  return manifest;
}

async function manifestOf(
  database: Database,
  file: FileDocument,
  record: VersionRecord,
  signal: AbortSignal | undefined,
): Promise<Manifest> {
  const what = nameOf(record);
  const parts: Uint8Array[] = [];
  if (file.contentType === MANIFEST_CONTENT_TYPE) {
    for await (const part of readRange(database, file, what, { start: 0, end: file.length }, signal)) parts.push(part);
  } else if (file.metadata?.manifest === undefined) {
    return describeAdopted(database, file, what, signal);
  } else {
    parts.push(Buffer.from(file.metadata.manifest, 'utf8'));
  }
  const bytes = Buffer.concat(parts);
  // Before anything in it is believed: a flipped bit must not read as a layout of the future.
  if (record.digest !== undefined && digestOf(bytes) !== record.digest)
    throw damaged(what, `its manifest has the digest ${digestOf(bytes)}, ${record.digest} was published`);
  return decodeManifest(bytes);
}
