import {
  checkAliasName,
  checkModelName,
  ModelkeepError,
  type AliasMove,
  type AliasMoved,
  type VersionDraft,
  type VersionRecord,
  type VersionState,
  type VersionStore,
  contentSize,
  encodeManifest,
  manifestDigest,
} from '../../core/index.js';
import {
  aliasRow,
  aliasRows,
  appendEvent,
  newestReady,
  newestVersion,
  newId,
  resolveRow,
  versionRow,
} from './records.js';
import { KEYS, type LedgerTable } from './table.js';
import { tick } from './touches.js';

type Author = { readonly by?: string; readonly message?: string };

/** Who and why, as far as they are given. */
export function author({ by, message }: Author): Author {
  return { ...(by === undefined ? {} : { by }), ...(message === undefined ? {} : { message }) };
}

/** The version that makes publishing `draft` needless, if there is one. */
export function sameVersion(table: LedgerTable, draft: VersionDraft): VersionRecord | undefined {
  if (draft.force === true) return undefined;
  const newest = newestReady(table, draft.model);
  return newest?.digest === manifestDigest(draft.manifest) ? newest : undefined;
}

/** The number that a draft asks for, if no version ever had it, else the next one. */
function freeNumber(table: LedgerTable, { model, version }: VersionDraft): number {
  if (version !== undefined && table.get(KEYS.version(model, version)) === undefined) return version;
  return (newestVersion(table, model)?.version ?? 0) + 1;
}

/** Makes a version visible: the commit point of a publish. */
export function commitVersion(table: LedgerTable, draft: VersionDraft): { record: VersionRecord; created: boolean } {
  const same = sameVersion(table, draft);
  if (same !== undefined) return { record: same, created: false };
  const { model, manifest, publishedBy, message, parent, metadata = {}, publishedAt = new Date() } = draft;
  const digest = manifestDigest(manifest);
  const version = freeNumber(table, draft);
  const record: VersionRecord = {
    id: newId(),
    model,
    version,
    digest,
    format: manifest.format,
    ...(manifest.task === undefined ? {} : { task: manifest.task }),
    size: contentSize(manifest),
    state: 'ready',
    publishedAt,
    ...(publishedBy === undefined ? {} : { publishedBy }),
    ...(message === undefined ? {} : { message }),
    ...(parent === undefined ? {} : { parent }),
    metadata,
  };
  table.put(KEYS.manifest(digest), Buffer.from(encodeManifest(manifest)).toString('utf8'));
  table.put(KEYS.version(model, version), JSON.stringify(record));
  appendEvent(table, {
    kind: 'published',
    at: publishedAt,
    model,
    version,
    ...author({
      ...(publishedBy === undefined ? {} : { by: publishedBy }),
      ...(message === undefined ? {} : { message }),
    }),
  });
  return { record, created: true };
}

function conflict(model: string, alias: string, points: number | undefined, expected: number | null): ModelkeepError {
  const now = points === undefined ? 'does not exist' : `points at version ${points}`;
  const wanted = expected === null ? 'that it does not exist' : `version ${expected}`;
  return new ModelkeepError(
    'ALIAS_CONFLICT',
    `Alias "${model}@${alias}" ${now}, and ${wanted} was expected: look at it again, then repeat`,
    { details: { model, alias, ...(points === undefined ? {} : { version: points }) } },
  );
}

/** Moves an alias. @throws ModelkeepError as `VersionStore.moveAlias` */
export function changeAlias(table: LedgerTable, move: AliasMove): AliasMoved {
  const model = checkModelName(move.model);
  const alias = checkAliasName(move.alias);
  const target = versionRow(table, model, move.to);
  if (target.state !== 'ready') {
    throw new ModelkeepError(
      'VERSION_NOT_FOUND',
      `Version "${model}:${move.to}" is archived: restore it before an alias can point at it`,
    );
  }
  const before = aliasRow(table, model, alias);
  if (move.expect !== undefined && (before?.version ?? null) !== move.expect) {
    throw conflict(model, alias, before?.version, move.expect);
  }
  const from = before === undefined ? {} : { from: before.version };
  if (before?.version === move.to) return { ...before, ...from };
  const moved = { model, alias, version: move.to, revision: (before?.revision ?? 0) + 1 };
  table.put(KEYS.alias(model, alias), JSON.stringify(moved));
  appendEvent(table, { kind: 'alias-moved', model, alias, to: move.to, ...from, ...author(move) });
  return { ...moved, ...from };
}

/** Removes an alias. @throws ModelkeepError as `VersionStore.removeAlias` */
export function dropAlias(table: LedgerTable, asked: Parameters<VersionStore['removeAlias']>[0]): void {
  const { model, alias, expect } = asked;
  const before = aliasRow(table, checkModelName(model), alias);
  if (before === undefined) {
    resolveRow(table, { model, selector: { kind: 'alias', alias } });
    return;
  }
  if (expect !== undefined && before.version !== expect) throw conflict(model, alias, before.version, expect);
  table.remove(KEYS.alias(model, alias));
  appendEvent(table, { kind: 'alias-removed', model, alias, from: before.version, ...author(asked) });
}

const STATE_EVENT = Object.freeze({ ready: 'restored', archived: 'archived', deleted: 'deleted' } as const);

/** Archives, deletes or restores. @throws ModelkeepError as `VersionStore.setState` */
export function changeState(
  table: LedgerTable,
  target: { readonly model: string; readonly version: number; readonly state: VersionState },
  by: Author,
): VersionRecord {
  const { model, version, state } = target;
  const record = versionRow(table, checkModelName(model), version, true);
  if (record.state === state) return record;
  const alias = aliasRows(table, model).find((row) => row.version === version);
  if (state !== 'ready' && alias !== undefined) {
    throw new ModelkeepError(
      'ALIAS_CONFLICT',
      `Version "${model}:${version}" cannot be ${state} while "${model}@${alias.alias}" points at it: move the alias first`,
      { details: { model, version, alias: alias.alias } },
    );
  }
  const changed = { ...record, state, changedAt: tick(table) };
  table.put(KEYS.version(model, version), JSON.stringify(changed));
  appendEvent(table, { kind: STATE_EVENT[state], model, version, ...author(by) });
  return changed;
}
