import {
  changeMarks,
  checkAnnotationChange,
  checkModelName,
  checkTags,
  ModelkeepError,
  type AnnotationChange,
  type VersionDraft,
  type VersionRecord,
  type VersionState,
  contentSize,
  encodeManifest,
  manifestDigest,
  versionsOf,
} from '../../core/index.js';
import { aliasRows, appendEvent, newestReady, newestVersion, newId, versionRow } from './records.js';
import { author, type Author } from '../author.js';
import { KEYS, type LedgerTable } from './table.js';
import { tick } from './touches.js';

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
  const { model, manifest, publishedBy, message, parent, metadata = {}, tags = [], publishedAt = new Date() } = draft;
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
    ...(tags.length === 0 ? {} : { tags: checkTags(tags) }),
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
  const alias = aliasRows(table, model).find((row) => versionsOf(row).includes(version));
  if (state !== 'ready' && alias !== undefined) {
    throw new ModelkeepError(
      'ALIAS_CONFLICT',
      `Version "${model}:${version}" cannot be ${state} while "${model}@${alias.alias}" needs it: move the alias first`,
      { details: { model, version, alias: alias.alias } },
    );
  }
  const changed = { ...record, state, changedAt: tick(table) };
  table.put(KEYS.version(model, version), JSON.stringify(changed));
  appendEvent(table, { kind: STATE_EVENT[state], model, version, ...author(by) });
  return changed;
}

/** Changes tags and annotations. @throws ModelkeepError as `VersionStore.annotate` */
export function annotateRow(
  table: LedgerTable,
  { model, version }: { readonly model: string; readonly version: number },
  change: AnnotationChange,
  by: Author,
): VersionRecord {
  checkAnnotationChange(change);
  const record = versionRow(table, checkModelName(model), version);
  const { marks, changed, added, removed } = changeMarks(record, change);
  if (!changed) return record;
  const annotated = { ...record, ...marks };
  table.put(KEYS.version(model, version), JSON.stringify(annotated));
  appendEvent(table, { kind: 'annotated', model, version, added, removed, ...author(by) });
  return annotated;
}
