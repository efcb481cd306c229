import {
  checkAliasName,
  checkModelName,
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
import { aliasRow, appendEvent, resolveRow, versionRow } from './records.js';
import { KEYS, type LedgerTable } from './table.js';

function put(table: LedgerTable, record: AliasRecord): void {
  table.put(KEYS.alias(record.model, record.alias), JSON.stringify(record));
}

/** The alias. @throws ModelkeepError `ALIAS_NOT_FOUND` or `MODEL_NOT_FOUND` */
function known(table: LedgerTable, model: string, alias: string): AliasRecord {
  const found = aliasRow(table, checkModelName(model), alias);
  if (found !== undefined) return found;
  resolveRow(table, { model, selector: { kind: 'alias', alias } });
  throw new Error('Resolving an alias that is not there gave a version');
}

/** Moves an alias. @throws ModelkeepError as `VersionStore.moveAlias` */
export function moveAlias(table: LedgerTable, move: AliasMove): AliasMoved {
  const model = checkModelName(move.model);
  const alias = checkAliasName(move.alias);
  checkTarget(versionRow(table, model, move.to));
  const now = aliasRow(table, model, alias);
  checkExpectation({ model, alias }, now, move);
  const from = now === undefined ? {} : { from: now.version };
  if (isThere(now, move)) return { ...now, ...from };
  const moved = movedAlias(now, move, new Date());
  put(table, moved);
  const { action, gates } = move;
  appendEvent(table, {
    kind: 'alias-moved',
    model,
    alias,
    to: move.to,
    ...from,
    ...author(move),
    ...(action === undefined ? {} : { action }),
    ...(gates === undefined ? {} : { gates }),
  });
  return { ...moved, ...from };
}

/** Changes policy or traffic. @throws ModelkeepError as `VersionStore.changeAlias` */
export function changeAlias(table: LedgerTable, change: AliasChange): AliasRecord {
  const { model, alias, policy, traffic } = change;
  const now = known(table, model, alias);
  checkExpectation({ model, alias }, now, { expectRevision: change.expectRevision });
  const changed = changedAlias(now, change);
  if (traffic) for (const version of versionsOf(changed)) checkTarget(versionRow(table, model, version));
  put(table, changed);
  if (policy !== undefined) appendEvent(table, { kind: 'alias-policy', model, alias, policy, ...author(change) });
  if (traffic !== undefined) appendEvent(table, { kind: 'alias-traffic', model, alias, traffic, ...author(change) });
  return changed;
}

/** Removes an alias. @throws ModelkeepError as `VersionStore.removeAlias` */
export function removeAlias(table: LedgerTable, asked: Parameters<VersionStore['removeAlias']>[0]): void {
  const { model, alias, expect } = asked;
  const before = known(table, model, alias);
  checkExpectation({ model, alias }, before, { expect });
  table.remove(KEYS.alias(model, alias));
  appendEvent(table, { kind: 'alias-removed', model, alias, from: before.version, ...author(asked) });
}

/** Records what a gate held back. @throws ModelkeepError as `VersionStore.recordGateFailure` */
export function recordGateFailure(table: LedgerTable, failure: GateFailure): void {
  const { model, alias, version, gates } = failure;
  versionRow(table, checkModelName(model), version);
  const named = alias === undefined ? {} : { alias };
  appendEvent(table, { kind: 'gate-failed', model, version, gates, ...named, ...author(failure) });
}
