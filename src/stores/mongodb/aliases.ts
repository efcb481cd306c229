import { ObjectId } from 'mongodb';
import {
  checkAliasName,
  ModelkeepError,
  versionsOf,
  type AliasChange,
  type AliasMove,
  type AliasMoved,
  type AliasRecord,
  type GateFailure,
  type VersionStore,
} from '../../core/index.js';
import { changedAlias, checkExpectation, checkTarget, isThere, movedAlias } from '../alias-rules.js';
import { author } from '../author.js';
import { duplicateKey, together, type Database } from './database.js';
import type { AliasDocument, EventDocument } from './documents.js';
import { checkModel, getVersion } from './versions.js';

function toAlias({ _id, ...rest }: AliasDocument): AliasRecord {
  return { model: _id.model_name, alias: _id.alias, ...rest };
}

function toDocument({ model, alias, ...rest }: AliasRecord): AliasDocument {
  return { _id: { model_name: model, alias }, ...rest };
}

/** Aliases of a model, or of all. */
export async function listAliases({ aliases }: Database, model?: string): Promise<AliasRecord[]> {
  const found = await aliases
    .find(model === undefined ? {} : { '_id.model_name': model })
    .sort({ '_id.model_name': 1, '_id.alias': 1 })
    .toArray();
  return found.map(toAlias);
}

async function find({ aliases }: Database, model: string, alias: string): Promise<AliasRecord | undefined> {
  const found = await aliases.findOne({ _id: { model_name: model, alias } });
  return found === null ? undefined : toAlias(found);
}

/** The alias. @throws ModelkeepError `ALIAS_NOT_FOUND` or `MODEL_NOT_FOUND` */
async function known(database: Database, model: string, alias: string): Promise<AliasRecord> {
  const found = await find(database, model, alias);
  if (found !== undefined) return found;
  await checkModel(database, model);
  throw new ModelkeepError('ALIAS_NOT_FOUND', `"${model}" has no alias "${alias}"`, { details: { model, alias } });
}

type EventDraft = Omit<EventDocument, '_id' | 'at'>;

function eventOf(draft: EventDraft): EventDocument {
  return { _id: new ObjectId(), at: new Date(), ...draft };
}

/** An alias as it was and as it becomes (undefined: nothing), and the versions that it needs from now on. */
interface Replacement {
  readonly before: AliasRecord | undefined;
  readonly after: AliasRecord | undefined;
  readonly targets: readonly number[];
  readonly events: readonly EventDraft[];
}

/** Writes a replacement and its events; false if somebody was faster, or a target is no longer ready. */
async function replace(database: Database, replacement: Replacement): Promise<boolean> {
  const { before, after, targets, events } = replacement;
  const { aliases, status } = database;
  try {
    const done = await together(database, async (session) => {
      const options = session === undefined ? {} : { session };
      for (const version of targets) {
        // A write to the target, not a look at it: two transactions that write the same document exclude each other.
        const target = { model_name: after?.model ?? '', version, state: 'ready' as const };
        if ((await status.updateOne(target, { $inc: { alias_moves: 1 } }, options)).matchedCount === 0) return false;
      }
      const asItWas = before === undefined ? undefined : { _id: toDocument(before)._id, revision: before.revision };
      if (asItWas === undefined) {
        if (after !== undefined) await aliases.insertOne(toDocument(after), options);
      } else if (after === undefined) {
        if ((await aliases.deleteOne(asItWas, options)).deletedCount === 0) return false;
      } else if ((await aliases.replaceOne(asItWas, toDocument(after), options)).matchedCount === 0) return false;
      for (const event of events) await database.events.insertOne(eventOf(event), options);
      return true;
    });
    if (done && !database.replicated) await checkKept(database, replacement);
    return done;
  } catch (error) {
    if (duplicateKey(error) !== undefined) return false;
    throw error;
  }
}

/**
 * Without transactions a version may be archived or deleted while an alias is moved to it. Both write first and then
 * look at what the other wrote, so that at least one of them sees it and takes its own back.
 */
async function checkKept(database: Database, { before, after, targets }: Replacement): Promise<void> {
  if (after === undefined) return;
  const { model, revision } = after;
  const { _id } = toDocument(after);
  try {
    for (const version of targets) checkTarget(await getVersion(database, model, version));
  } catch (error) {
    if (before === undefined) await database.aliases.deleteOne({ _id, revision });
    else await database.aliases.replaceOne({ _id, revision }, toDocument({ ...before, revision: revision + 1 }));
    throw error;
  }
}

/** Moves an alias by compare-and-set on its revision. @throws ModelkeepError as `VersionStore.moveAlias` */
export async function moveAlias(database: Database, move: AliasMove): Promise<AliasMoved> {
  const { model, alias, to, action, gates } = move;
  checkAliasName(alias);
  for (;;) {
    checkTarget(await getVersion(database, model, to));
    const now = await find(database, model, alias);
    checkExpectation(move, now, move);
    const from = now === undefined ? {} : { from: now.version };
    if (isThere(now, move)) return { ...now, ...from };
    const moved = movedAlias(now, move, new Date());
    const event: EventDraft = {
      kind: 'alias-moved',
      model_name: model,
      alias,
      to,
      ...from,
      ...author(move),
      ...(action === undefined ? {} : { action }),
      ...(gates === undefined ? {} : { gates }),
    };
    if (await replace(database, { before: now, after: moved, targets: [to], events: [event] }))
      return { ...moved, ...from };
  }
}

/** Changes policy or traffic. @throws ModelkeepError as `VersionStore.changeAlias` */
export async function changeAlias(database: Database, change: AliasChange): Promise<AliasRecord> {
  const { model, alias, policy, traffic, expectRevision } = change;
  const about = { model_name: model, alias, ...author(change) };
  const events: EventDraft[] = [
    ...(policy === undefined ? [] : [{ kind: 'alias-policy' as const, policy, ...about }]),
    ...(traffic === undefined ? [] : [{ kind: 'alias-traffic' as const, traffic, ...about }]),
  ];
  for (;;) {
    const now = await known(database, model, alias);
    checkExpectation({ model, alias }, now, { expectRevision });
    const changed = changedAlias(now, change);
    const targets = traffic ? versionsOf(changed) : [];
    for (const version of targets) checkTarget(await getVersion(database, model, version));
    if (await replace(database, { before: now, after: changed, targets, events })) return changed;
  }
}

/** Removes an alias. @throws ModelkeepError `ALIAS_NOT_FOUND`, `ALIAS_CONFLICT` */
export async function removeAlias(
  database: Database,
  asked: Parameters<VersionStore['removeAlias']>[0],
): Promise<void> {
  const { model, alias, expect } = asked;
  for (;;) {
    const now = await known(database, model, alias);
    checkExpectation({ model, alias }, now, { expect });
    const event: EventDraft = { kind: 'alias-removed', model_name: model, alias, from: now.version, ...author(asked) };
    if (await replace(database, { before: now, after: undefined, targets: [], events: [event] })) return;
  }
}

/** Records what a gate held back. @throws ModelkeepError as `VersionStore.recordGateFailure` */
export async function recordGateFailure(database: Database, failure: GateFailure): Promise<void> {
  const { model, alias, version, gates } = failure;
  await getVersion(database, model, version);
  const named = alias === undefined ? {} : { alias };
  const draft = { kind: 'gate-failed', model_name: model, version, gates, ...named, ...author(failure) } as const;
  await database.events.insertOne(eventOf(draft));
}
