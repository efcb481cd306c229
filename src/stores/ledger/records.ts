import { randomBytes } from 'node:crypto';
import {
  digestMatches,
  formatReference,
  ModelkeepError,
  type AliasRecord,
  type FeedEvent,
  type NewEvent,
  type Reference,
  type StoreEvent,
  type VersionRecord,
  type VersionState,
} from '../../core/index.js';
import { KEYS, type LedgerTable } from './table.js';

const DATES = new Set(['publishedAt', 'at', 'startedAt', 'since', 'seenAt', 'changedAt']);

/** A version as its row has it. That of a collected version stays, so that its number is never given again. */
export type VersionRow = Omit<VersionRecord, 'state'> & { readonly state: VersionState | 'collected' };

/** Reads a row; dates come back as dates, but not inside `metadata` and `annotations`, which are the users'. */
export function decodeRow(text: string): unknown {
  const row = JSON.parse(text) as { metadata?: unknown; annotations?: unknown };
  const { metadata, annotations, ...ours } = row;
  const revived: unknown = JSON.parse(JSON.stringify(ours), (name, value: unknown) =>
    DATES.has(name) && typeof value === 'string' ? new Date(value) : value,
  );
  const theirs = {
    ...(metadata === undefined ? {} : { metadata }),
    ...(annotations === undefined ? {} : { annotations }),
  };
  return { ...(revived as object), ...theirs };
}

function isThere(row: VersionRow): row is VersionRecord {
  return row.state !== 'collected';
}

/** Versions of a model, or of all, ascending; with `deleted` also those that can still be restored. */
export function versionRows(table: LedgerTable, model?: string, deleted = false): VersionRecord[] {
  return Array.from(table.range(KEYS.versions(model)), (row) => decodeRow(row) as VersionRow)
    .filter(isThere)
    .filter(({ state }) => deleted || state !== 'deleted');
}

/** The highest version that a model ever had, whatever its state. */
export function newestVersion(table: LedgerTable, model: string): VersionRow | undefined {
  const [row] = table.range(KEYS.versions(model), { reverse: true, limit: 1 });
  return row === undefined ? undefined : (decodeRow(row) as VersionRow);
}

/** The highest version of a model that is ready; reads no more rows than it has to pass over. */
export function newestReady(table: LedgerTable, model: string): VersionRecord | undefined {
  for (const row of table.range(KEYS.versions(model), { reverse: true })) {
    const record = decodeRow(row) as VersionRow;
    if (isThere(record) && record.state === 'ready') return record;
  }
  return undefined;
}

/** Aliases of a model, or of all. */
export function aliasRows(table: LedgerTable, model?: string): AliasRecord[] {
  return Array.from(table.range(KEYS.aliases(model)), (row) => decodeRow(row) as AliasRecord);
}

/** An alias, if it is there. */
export function aliasRow(table: LedgerTable, model: string, alias: string): AliasRecord | undefined {
  const row = table.get(KEYS.alias(model, alias));
  return row === undefined ? undefined : (decodeRow(row) as AliasRecord);
}

/**
 * The version of that number; a deleted one too, if `deleted` says so.
 *
 * @throws ModelkeepError `MODEL_NOT_FOUND` or `VERSION_NOT_FOUND`
 */
export function versionRow(table: LedgerTable, model: string, version: number, deleted = false): VersionRecord {
  const row = table.get(KEYS.version(model, version));
  const record = row === undefined ? undefined : (decodeRow(row) as VersionRow);
  if (record !== undefined && isThere(record) && (deleted || record.state !== 'deleted')) return record;
  if (record === undefined) throw missing(table, { model, selector: { kind: 'version', version } });
  const why = isThere(record) ? 'was deleted: restore it first' : 'was deleted and its data collected';
  throw new ModelkeepError('VERSION_NOT_FOUND', `"${model}:${version}" ${why}`, { details: { model, version } });
}

function modelNames(table: LedgerTable): string {
  const names = [...new Set(versionRows(table).map(({ model }) => model))];
  if (names.length === 0) return 'the store is empty: publish a first version';
  return `there is ${names.slice(0, 10).join(', ')}${names.length > 10 ? ` and ${names.length - 10} more` : ''}`;
}

function missing(table: LedgerTable, reference: Reference): ModelkeepError {
  const { model, selector } = reference;
  const newest = newestVersion(table, model);
  if (newest === undefined) {
    return new ModelkeepError('MODEL_NOT_FOUND', `There is no model "${model}": ${modelNames(table)}`, {
      details: { model },
    });
  }
  const asked = formatReference(reference);
  if (selector.kind === 'alias') {
    const aliases = aliasRows(table, model).map(({ alias }) => alias);
    const there = aliases.length === 0 ? 'no alias' : `the aliases ${aliases.join(', ')}`;
    return new ModelkeepError('ALIAS_NOT_FOUND', `"${asked}" does not exist: "${model}" has ${there}`, {
      details: { model, alias: selector.alias },
    });
  }
  const why = selector.kind === 'latest' ? 'has no ready version' : 'does not exist';
  return new ModelkeepError('VERSION_NOT_FOUND', `"${asked}" ${why}: the newest version is ${newest.version}`, {
    details: { model, newest: newest.version },
  });
}

function byDigest(table: LedgerTable, model: string, prefix: string): VersionRecord[] {
  return versionRows(table, model).filter(({ digest }) => digest !== undefined && digestMatches(digest, prefix));
}

function versionNumber(table: LedgerTable, { model, selector }: Reference): number | undefined {
  if (selector.kind === 'version') return selector.version;
  if (selector.kind === 'alias') return aliasRow(table, model, selector.alias)?.version;
  if (selector.kind === 'latest') return newestReady(table, model)?.version;
  const matches = byDigest(table, model, selector.digest);
  return matches.length === 1 ? matches[0]?.version : undefined;
}

/** True if a reference means that version now; see `VersionStore.isCurrent`. */
export function isCurrentRow(table: LedgerTable, reference: Reference, version: number): boolean {
  if (versionNumber(table, reference) !== version) return false;
  if (reference.selector.kind !== 'version') return true;
  const row = table.get(KEYS.version(reference.model, version));
  return row !== undefined && ['ready', 'archived'].includes((decodeRow(row) as VersionRow).state);
}

/** The version that a reference means. @throws ModelkeepError as `VersionStore.resolve` */
export function resolveRow(table: LedgerTable, reference: Reference): VersionRecord {
  const { model, selector } = reference;
  const version = versionNumber(table, reference);
  if (version !== undefined) return versionRow(table, model, version);
  const matches = selector.kind === 'digest' ? byDigest(table, model, selector.digest) : [];
  if (matches.length === 0) throw missing(table, reference);
  const numbers = matches.map((match) => match.version).join(', ');
  throw new ModelkeepError(
    'INVALID_REFERENCE',
    `"${formatReference(reference)}" means the versions ${numbers}: name one by its number`,
  );
}

/** Appends an event, now unless it says when, and counts the change of its model. */
export function appendEvent(table: LedgerTable, event: NewEvent & { readonly id?: string; readonly at?: Date }): void {
  const sequence = changeCount(table, event.model) + 1;
  table.put(KEYS.change(event.model), String(sequence));
  const row = { ...event, id: event.id ?? newId(), at: event.at ?? new Date() };
  table.put(KEYS.event(event.model, sequence), JSON.stringify(row));
  // What was brought along from another store did not happen now.
  if (event.id !== undefined) return;
  const number = feedEndRow(table) + 1;
  table.put(KEYS.feedEnd, String(number));
  table.put(KEYS.feed(number), JSON.stringify({ ...row, sequence: number }));
}

/** The number of the newest event of the log. */
export function feedEndRow(table: LedgerTable): number {
  return Number(table.get(KEYS.feedEnd) ?? '0');
}

/** The log behind a number. */
export function feedRows(table: LedgerTable, after: number, limit: number): FeedEvent[] {
  return Array.from(table.range(KEYS.feed(), { after: KEYS.feed(after), limit }), (row) => {
    const { sequence, ...event } = decodeRow(row) as StoreEvent & { readonly sequence: number };
    return { sequence, event };
  });
}

/** How many events a model has had. */
export function changeCount(table: LedgerTable, model: string): number {
  return Number(table.get(KEYS.change(model)) ?? '0');
}

/** 24 hexadecimal digits: 4 bytes of time in seconds, 8 random ones. */
export function newId(): string {
  const seconds = Buffer.alloc(4);
  seconds.writeUInt32BE(Math.floor(Date.now() / 1_000));
  return Buffer.concat([seconds, randomBytes(8)]).toString('hex');
}
