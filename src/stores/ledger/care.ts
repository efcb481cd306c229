import {
  checkModelName,
  isDigest,
  manifestDigest,
  ModelkeepError,
  throwIfAborted,
  versionName,
  type Digest,
  type Manifest,
  type RetentionPolicy,
  type Segment,
  type StoredData,
  type StoreEvent,
  type VerifiedVersion,
  type VersionRecord,
} from '../../core/index.js';
import { author } from '../author.js';
import { appendEvent, decodeRow, versionRow, versionRows, type VersionRow } from './records.js';
import type { SegmentStorage } from './segment-storage.js';
import { KEYS, type LedgerStorage, type LedgerTable } from './table.js';
import { tick, touch, touchRow, touchRows } from './touches.js';

/** Segments of one transaction: others who write wait while their files are removed. */
const BATCH = 32;

/** Where data is looked after. */
export interface Care {
  readonly ledger: LedgerStorage;
  readonly segments: SegmentStorage;
}

/**
 * What is stored, and the segments that are announced but have no bytes. What an earlier release stored without saying
 * when is taken for touched now: its grace time begins when it is first seen.
 */
export async function* listStored({ ledger, segments }: Care, signal: AbortSignal): AsyncGenerator<StoredData> {
  const touches = new Map(ledger.read(touchRows).map((row) => [row.digest, row]));
  for await (const stored of segments.list(signal)) {
    throwIfAborted(signal);
    const row = touches.get(stored.digest) ?? ledger.write((table) => firstSeen(table, stored));
    touches.delete(stored.digest);
    const isWhole = row === undefined || row.size === stored.size;
    yield dataOf({ digest: stored.digest, size: stored.size }, row?.touchedAtMs ?? Date.now(), isWhole);
  }
  for (const { digest, touchedAtMs } of touches.values()) yield dataOf({ digest, size: 0 }, touchedAtMs, false);
}

function firstSeen(table: LedgerTable, stored: Segment) {
  // Its publisher may have been faster.
  if (touchRow(table, stored.digest) === undefined) touch(table, [stored]);
  return touchRow(table, stored.digest);
}

function dataOf({ digest, size }: Segment, touchedAtMs: number, isWhole: boolean): StoredData {
  return { id: digest, kind: 'segment', bytes: size, touchedAt: new Date(touchedAtMs), isWhole };
}

/**
 * Removes what was not touched since `before`. Row and bytes go in one transaction, and a publisher touches in one too:
 * it finds either both or neither.
 */
export async function removeStored(
  { ledger, segments }: Care,
  ids: readonly string[],
  before: Date,
  signal: AbortSignal,
): Promise<string[]> {
  const removed: string[] = [];
  const digests = ids.filter((id): id is Digest => isDigest(id));
  for (let at = 0; at < digests.length; at += BATCH) {
    throwIfAborted(signal);
    ledger.write((table) => {
      for (const digest of digests.slice(at, at + BATCH)) {
        const row = touchRow(table, digest);
        if (row === undefined || row.touchedAtMs >= before.getTime()) continue;
        segments.removeSync(digest);
        table.remove(KEYS.segment(digest));
        removed.push(digest);
      }
    });
    // Others get their turn between two transactions.
    await new Promise((resolve) => void setImmediate(resolve));
  }
  return removed;
}

/** Ends a deleted version. See `StoreCare.collectVersion`. */
export function collectRow(
  table: LedgerTable,
  target: { readonly model: string; readonly version: number },
  { before, by }: { readonly before: Date; readonly by?: string },
): boolean {
  const key = KEYS.version(target.model, target.version);
  const row = table.get(key);
  const record = row === undefined ? undefined : (decodeRow(row) as VersionRow);
  if (record?.state !== 'deleted' || record.changedAt === undefined || record.changedAt >= before) return false;
  const collected: VersionRow = { ...record, state: 'collected', changedAt: tick(table) };
  table.put(key, JSON.stringify(collected));
  const { digest } = record;
  const needed = versionRows(table, undefined, true).some((other) => other.digest === digest);
  if (digest !== undefined && !needed) table.remove(KEYS.manifest(digest));
  appendEvent(table, { kind: 'collected', ...target, ...author(by === undefined ? {} : { by }) });
  return true;
}

/** Puts the manifest of a version back, if it is missing or altered. @throws ModelkeepError as `StoreCare.repair` */
export function repairManifestRow(table: LedgerTable, record: VersionRecord, text: string): void {
  const { digest } = versionRow(table, record.model, record.version, true);
  if (digest !== undefined && table.get(KEYS.manifest(digest)) !== text) table.put(KEYS.manifest(digest), text);
}

/** @throws ModelkeepError `DIGEST_MISMATCH` if the manifest is not the version's */
export function checkManifestOf(record: VersionRecord, manifest: Manifest): void {
  const digest = manifestDigest(manifest);
  if (record.digest === undefined || digest === record.digest) return;
  throw new ModelkeepError(
    'DIGEST_MISMATCH',
    `The manifest given for ${versionName(record)} has the digest ${digest}, ${record.digest} was published: look for another copy`,
    { details: { model: record.model, version: record.version } },
  );
}

/** Records what a verification found. @throws ModelkeepError as `StoreCare.recordVerified` */
export function recordVerified(
  table: LedgerTable,
  { model, version, deep, problems, repaired, by }: VerifiedVersion,
): void {
  versionRow(table, checkModelName(model), version, true);
  const who = author(by === undefined ? {} : { by });
  appendEvent(table, { kind: 'verified', model, version, deep, problems, repaired, ...who });
}

/** Retention policies, by model. */
export function retentionRows(table: LedgerTable): RetentionPolicy[] {
  return Array.from(table.range(KEYS.retentions), (row) => JSON.parse(row) as RetentionPolicy);
}

/** Sets or removes a policy. */
export function putRetention(
  table: LedgerTable,
  policy: RetentionPolicy,
  who: { readonly by?: string; readonly message?: string },
): void {
  const { model, ...rules } = policy;
  checkModelName(model);
  if (Object.keys(rules).length === 0) table.remove(KEYS.retention(model));
  else table.put(KEYS.retention(model), JSON.stringify(policy));
  appendEvent(table, { kind: 'retention-set', model, rules, ...author(who) });
}

/** Appends foreign events. */
export function importRows(table: LedgerTable, events: readonly StoreEvent[]): number {
  const known = new Map<string, Set<string>>();
  const idsOf = (model: string): Set<string> => {
    const rows = Array.from(table.range(KEYS.events(model)), (row) => (decodeRow(row) as StoreEvent).id);
    return new Set(rows);
  };
  let added = 0;
  for (const event of events) {
    const ids = known.get(event.model) ?? idsOf(event.model);
    known.set(event.model, ids);
    if (event.kind === 'published' || ids.has(event.id)) continue;
    ids.add(event.id);
    appendEvent(table, event);
    added += 1;
  }
  return added;
}
