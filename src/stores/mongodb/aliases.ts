import { ObjectId } from 'mongodb';
import {
  checkAliasName,
  ModelkeepError,
  type AliasMove,
  type AliasMoved,
  type AliasRecord,
  type VersionStore,
} from '../../core/index.js';
import { duplicateKey, together, type Database } from './database.js';
import type { AliasDocument } from './documents.js';
import { checkModel, getVersion } from './versions.js';

function toAlias({ _id, version, revision }: AliasDocument): AliasRecord {
  return { model: _id.model_name, alias: _id.alias, version, revision };
}

/** Aliases of a model, or of all. */
export async function listAliases({ aliases }: Database, model?: string): Promise<AliasRecord[]> {
  const found = await aliases
    .find(model === undefined ? {} : { '_id.model_name': model })
    .sort({ '_id.model_name': 1, '_id.alias': 1 })
    .toArray();
  return found.map(toAlias);
}

function conflict(model: string, alias: string, now: AliasDocument | null, expect: number | null): ModelkeepError {
  const points = now === null ? 'does not exist' : `points at version ${now.version} (move ${now.revision})`;
  const wanted = expect === null ? 'that it does not exist' : `version ${expect}`;
  return new ModelkeepError(
    'ALIAS_CONFLICT',
    `${model}@${alias} ${points}, ${wanted} was expected: look again, then decide`,
    {
      details: { model, alias, ...(now === null ? {} : { version: now.version }) },
    },
  );
}

/** Moves an alias by compare-and-set on its revision. @throws ModelkeepError as `VersionStore.moveAlias` */
export async function moveAlias(
  database: Database,
  { model, alias, to, expect, by, message }: AliasMove,
): Promise<AliasMoved> {
  checkAliasName(alias);
  await checkReady(database, model, to);
  const key = { model_name: model, alias };
  for (;;) {
    const now = await database.aliases.findOne({ _id: key });
    if (expect !== undefined && expect !== (now?.version ?? null)) throw conflict(model, alias, now, expect);
    if (now?.version === to) return { ...toAlias(now), from: to };
    const moved: AliasDocument = { _id: key, version: to, revision: (now?.revision ?? 0) + 1 };
    if (await write(database, now, moved, { by, message })) {
      if (!database.replicated) await checkKept(database, now, moved);
      return { ...toAlias(moved), ...(now === null ? {} : { from: now.version }) };
    }
    await checkReady(database, model, to);
  }
}

/** @throws ModelkeepError `VERSION_NOT_FOUND` for a version that no alias may point at */
async function checkReady(database: Database, model: string, version: number): Promise<void> {
  const target = await getVersion(database, model, version);
  if (target.state === 'ready') return;
  throw new ModelkeepError(
    'VERSION_NOT_FOUND',
    `${model}:${version} is archived: restore it before an alias can point at it`,
  );
}

/**
 * Without transactions a version may be archived or deleted while an alias is moved to it. Both write first and then
 * look at what the other wrote, so that at least one of them sees it and takes its own back.
 */
async function checkKept(database: Database, before: AliasDocument | null, moved: AliasDocument): Promise<void> {
  const { _id, version, revision } = moved;
  try {
    await checkReady(database, _id.model_name, version);
  } catch (error) {
    if (before === null) await database.aliases.deleteOne({ _id, revision });
    else
      await database.aliases.updateOne(
        { _id, revision },
        { $set: { version: before.version, revision: revision + 1 } },
      );
    throw error;
  }
}

/** Writes the move and its event; false if somebody was faster, or the target is no longer ready. */
async function write(
  database: Database,
  now: AliasDocument | null,
  moved: AliasDocument,
  { by, message }: { readonly by: string | undefined; readonly message: string | undefined },
): Promise<boolean> {
  const { _id, version, revision } = moved;
  try {
    return await together(database, async (session) => {
      const options = session === undefined ? {} : { session };
      const target = { model_name: _id.model_name, version, state: 'ready' as const };
      // A write to the target, not a look at it: two transactions that write the same document exclude each other.
      if ((await database.status.updateOne(target, { $inc: { alias_moves: 1 } }, options)).matchedCount === 0)
        return false;
      if (now === null) await database.aliases.insertOne(moved, options);
      else if (
        (await database.aliases.updateOne({ _id, revision: now.revision }, { $set: { version, revision } }, options))
          .modifiedCount === 0
      )
        return false;
      const from = now === null ? {} : { from: now.version };
      const who = { ...(by === undefined ? {} : { by }), ...(message === undefined ? {} : { message }) };
      const event = {
        _id: new ObjectId(),
        kind: 'alias-moved' as const,
        model_name: _id.model_name,
        alias: _id.alias,
        to: version,
        at: new Date(),
        ...from,
        ...who,
      };
      await database.events.insertOne(event, options);
      return true;
    });
  } catch (error) {
    if (duplicateKey(error) !== undefined) return false;
    throw error;
  }
}

/** Removes an alias. @throws ModelkeepError `ALIAS_NOT_FOUND`, `ALIAS_CONFLICT` */
export async function removeAlias(
  database: Database,
  { model, alias, expect, by, message }: Parameters<VersionStore['removeAlias']>[0],
): Promise<void> {
  const key = { model_name: model, alias };
  for (;;) {
    const now = await database.aliases.findOne({ _id: key });
    if (now === null) {
      await checkModel(database, model);
      throw new ModelkeepError('ALIAS_NOT_FOUND', `"${model}" has no alias "${alias}"`, { details: { model, alias } });
    }
    if (expect !== undefined && expect !== now.version) throw conflict(model, alias, now, expect);
    const removed = await together(database, async (session) => {
      const options = session === undefined ? {} : { session };
      if ((await database.aliases.deleteOne({ _id: key, revision: now.revision }, options)).deletedCount === 0)
        return false;
      const who = { ...(by === undefined ? {} : { by }), ...(message === undefined ? {} : { message }) };
      await database.events.insertOne(
        {
          _id: new ObjectId(),
          kind: 'alias-removed',
          model_name: model,
          alias,
          from: now.version,
          at: new Date(),
          ...who,
        },
        options,
      );
      return true;
    });
    if (removed) return;
  }
}
