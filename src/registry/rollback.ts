import {
  ModelkeepError,
  type Abortable,
  type AliasMoved,
  type AliasRecord,
  type Reference,
  type VersionStore,
} from '../core/index.js';
import { about, abortable, checkProtection, getAlias, type MoveOptions } from './aliases.js';

/** Options of {@link rollback}. */
export interface RollbackOptions extends MoveOptions {
  /** The version to go back to. @defaultValue the one that the alias pointed at before */
  readonly to?: number;
  /** What the history calls the move. @defaultValue 'rollback' */
  readonly action?: 'rollback' | 'automatic-rollback';
  /** Go back only if nothing of the alias has changed since it had this revision. */
  readonly expectRevision?: number;
}

/**
 * Points an alias back at the version that it pointed at before its last move, or at `to`. An alias that is split or
 * shadowed goes back to its own version alone. Going back twice is going forth again: the history knows both. No gate is
 * asked: what answered before may answer again.
 *
 * @throws ModelkeepError `INVALID_REFERENCE` for a reference without alias; `VERSION_NOT_FOUND` if the alias never
 * pointed elsewhere; `ALIAS_CONFLICT` if somebody changes it meanwhile; `INVALID_INPUT` for a protected alias without
 * message; `FORBIDDEN`
 */
export async function rollback(
  store: VersionStore,
  reference: Reference,
  options: RollbackOptions = {},
): Promise<AliasMoved> {
  const now = await getAlias(store, reference, options);
  checkProtection(now, options);
  const { model, alias } = now;
  const to = options.to ?? (now.traffic === undefined ? await versionBefore(store, now, options) : now.version);
  const { action = 'rollback', expectRevision = now.revision } = options;
  return store.moveAlias({ model, alias, to, action, expectRevision, ...about(options) }, abortable(options));
}

async function versionBefore(store: VersionStore, now: AliasRecord, options: Abortable): Promise<number> {
  const { model, alias, version, moved } = now;
  if (moved?.from !== undefined) return moved.from;
  // An alias that an older release moved last: its history knows.
  for (const event of await store.listEvents({ model }, abortable(options))) {
    const isMove = event.kind === 'alias-moved' && event.alias === alias && event.to === version;
    if (isMove && event.from !== undefined && event.from !== version) return event.from;
  }
  throw new ModelkeepError(
    'VERSION_NOT_FOUND',
    `${model}@${alias} has never pointed at another version than ${version}: name one with --to`,
  );
}
