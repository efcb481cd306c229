import { ObjectId, type ClientSession } from 'mongodb';
import { ModelkeepError, type VersionRecord, type VersionState } from '../../core/index.js';
import { together, type Database } from './database.js';
import { toRecord, type AliasDocument, type EventDocument, type StatusDocument } from './documents.js';
import { getVersion } from './versions.js';

interface Target {
  readonly model: string;
  readonly version: number;
}

interface Who {
  readonly by?: string;
  readonly message?: string;
}

/** Finds the aliases that need a version: they point at it, or share their requests with it. */
function needing({ model, version }: Target) {
  const uses = [{ version }, { 'traffic.version': version }, { 'traffic.shares.version': version }];
  return { '_id.model_name': model, $or: uses };
}

const STATE_EVENT = Object.freeze({ ready: 'restored', archived: 'archived', deleted: 'deleted' } as const);

function inSession(session: ClientSession | undefined): { readonly session?: ClientSession } {
  return session === undefined ? {} : { session };
}

function eventOf(kind: EventDocument['kind'], { model, version }: Target, { by, message }: Who): EventDocument {
  const who = { ...(by === undefined ? {} : { by }), ...(message === undefined ? {} : { message }) };
  return { _id: new ObjectId(), kind, model_name: model, version, at: new Date(), ...who };
}

function aliased({ model, version }: Target, state: VersionState, { _id: holder }: AliasDocument): ModelkeepError {
  const { alias } = holder;
  return new ModelkeepError(
    'ALIAS_CONFLICT',
    `${model}:${version} cannot be ${state} while @${alias} needs it: move the alias first`,
    { details: { model, version, alias } },
  );
}

/** Archives, deletes or restores. @throws ModelkeepError `VERSION_NOT_FOUND`, `ALIAS_CONFLICT` */
export async function setState(
  database: Database,
  { state, ...target }: Target & { readonly state: VersionState },
  who: Who,
): Promise<VersionRecord> {
  for (;;) {
    const found = await getVersion(database, target.model, target.version, true);
    if (found.state === state) return found;
    const changed = await change(database, found, state, who);
    // Undefined: somebody changed it meanwhile; look again.
    if (changed !== undefined) return toRecord(changed);
  }
}

async function change(
  database: Database,
  found: VersionRecord,
  state: VersionState,
  who: Who,
): Promise<StatusDocument | undefined> {
  const { model, version } = found;
  const pointing = (session: ClientSession | undefined): Promise<AliasDocument | null> =>
    state === 'ready' ? Promise.resolve(null) : database.aliases.findOne(needing(found), inSession(session));
  const changed = await together(database, async (session) => {
    const holder = await pointing(session);
    if (holder !== null) throw aliased(found, state, holder);
    const document = await database.status.findOneAndUpdate(
      { model_name: model, version, state: found.state },
      { $set: { state }, $currentDate: { changed_at: true } },
      { ...inSession(session), returnDocument: 'after' },
    );
    if (document !== null) await database.events.insertOne(eventOf(STATE_EVENT[state], found, who), inSession(session));
    return document ?? undefined;
  });
  if (changed === undefined || database.replicated) return changed;
  // Without transactions an alias may have been moved here meanwhile; see `checkKept` in aliases.ts.
  const holder = await pointing(undefined);
  if (holder === null) return changed;
  await database.status.updateOne({ model_name: model, version, state }, { $set: { state: found.state } });
  throw aliased(found, state, holder);
}

/** Ends a deleted version for good. See `StoreCare.collectVersion`. */
export async function collectVersion(
  database: Database,
  target: Target,
  { before, by }: { readonly before: Date; readonly by?: string },
): Promise<boolean> {
  const { model, version } = target;
  const holder = await database.aliases.findOne(needing(target));
  // What half of a move without transaction has left: the alias wins.
  if (holder !== null) {
    await database.status.updateOne({ model_name: model, version, state: 'deleted' }, { $set: { state: 'ready' } });
    return false;
  }
  return together(database, async (session) => {
    const document = await database.status.findOneAndUpdate(
      { model_name: model, version, state: 'deleted', changed_at: { $lt: before } },
      { $set: { state: 'collected' } },
      { ...inSession(session), returnDocument: 'after' },
    );
    if (document === null) return false;
    // Also a file that a script stored is ours to remove now, and not before the version is gone.
    const { file_id: fileId, changed_at: touched } = document;
    await database.files.updateOne({ _id: fileId }, { $set: { touched_at: touched ?? before } }, inSession(session));
    await database.events.insertOne(eventOf('collected', target, by === undefined ? {} : { by }), inSession(session));
    return true;
  });
}
