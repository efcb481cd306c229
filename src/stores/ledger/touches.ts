import type { Segment } from '../../core/index.js';
import { KEYS, type LedgerTable } from './table.js';

/** When a segment was last stored or relied on. The row is there before its bytes are. */
export interface TouchRow extends Segment {
  readonly touchedAtMs: number;
}

/**
 * The store's time. Never goes back, even if the machine's clock does: what is touched after a collector took the time
 * is touched later than that.
 */
export function tick(table: LedgerTable): Date {
  const now = Math.max(Date.now(), Number(table.get(KEYS.clock) ?? '0'));
  table.put(KEYS.clock, String(now));
  return new Date(now);
}

/** Takes down that these segments are needed now, before anybody looks whether their bytes are there. */
export function touch(table: LedgerTable, segments: readonly Segment[]): void {
  const touchedAtMs = tick(table).getTime();
  for (const { digest, size } of segments) {
    const row: TouchRow = { digest, size, touchedAtMs };
    table.put(KEYS.segment(digest), JSON.stringify(row));
  }
}

/** The row of a segment, if there is one. */
export function touchRow(table: LedgerTable, digest: string): TouchRow | undefined {
  const row = table.get(KEYS.segment(digest));
  return row === undefined ? undefined : (JSON.parse(row) as TouchRow);
}

/** All rows, by digest. */
export function touchRows(table: LedgerTable): TouchRow[] {
  return Array.from(table.range(KEYS.segments), (row) => JSON.parse(row) as TouchRow);
}
