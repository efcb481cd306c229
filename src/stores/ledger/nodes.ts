import type { NodeReport } from '../../core/index.js';
import { decodeRow } from './records.js';
import { KEYS, type LedgerTable } from './table.js';

/** A report with the time at which it came. */
export type SeenNode = NodeReport & { readonly seenAt: Date };

type StoredNode = SeenNode & { readonly expiresAtMs: number };

function storedNodes(table: LedgerTable): StoredNode[] {
  return Array.from(table.range(KEYS.nodes), (row) => decodeRow(row) as StoredNode);
}

/** The reports that have not expired at `now`, in ms since 1970. */
export function nodeRows(table: LedgerTable, now: number): SeenNode[] {
  return storedNodes(table)
    .filter(({ expiresAtMs }) => expiresAtMs > now)
    .map(({ node, host, pid, startedAt, holds, follows, seenAt }) => {
      return { node, host, pid, startedAt, holds, follows, seenAt };
    });
}

/** Records a report for `ttlMs` milliseconds and removes those that have expired. */
export function putNode(table: LedgerTable, report: NodeReport, ttlMs: number): void {
  const now = Date.now();
  for (const { node, expiresAtMs } of storedNodes(table)) {
    if (expiresAtMs <= now) table.remove(KEYS.node(node));
  }
  const stored: StoredNode = { ...report, seenAt: new Date(now), expiresAtMs: now + ttlMs };
  table.put(KEYS.node(report.node), JSON.stringify(stored));
}
