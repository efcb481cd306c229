import { readFileSync, writeFileSync } from 'node:fs';
import { differenceOf } from '../integration/tasks-model.js';
import type { Call, Outcome, Seen } from './clients-python.js';

const PAGE = 'docs/clients.md';

function verdictOf(outcome: Outcome | undefined, expected: unknown): string {
  if (outcome === undefined) return 'was not called';
  if ('error' in outcome) return `no: ${outcome.error}`;
  const difference = differenceOf(outcome.value, expected);
  return difference === undefined ? 'yes' : `no: ${difference}`;
}

function rendered({ versions, calls }: Seen, all: readonly Call[]): string {
  const packages = Object.entries(versions).map(([name, version]) => `\`${name}\` ${version}`);
  const rows = all.map(([name, asks, expected]) => `| \`${name}\` | ${asks} | ${verdictOf(calls[name], expected)} |`);
  return [`With ${packages.join(', ')}:`, '', '| call | asks | works |', '| --- | --- | --- |', ...rows].join('\n');
}

/** What was seen of a client beside what docs/clients.md says of it. */
export interface Comparison {
  /** The table of what was seen. */
  readonly table: string;
  /** The table of the page; the same where it was just written. */
  readonly committed: string;
  /** Rows of calls that do not work, and calls that are on one side alone. */
  readonly failing: readonly string[];
}

/** Compares what was seen with the page, or writes it there where `npm run test:clients -- --write` asks for it. */
export function compareWithPage(client: string, seen: Seen, calls: readonly Call[]): Comparison {
  const table = rendered(seen, calls);
  const known = new Set(calls.map(([name]) => name));
  const failing = [
    ...table.split('\n').filter((line) => line.startsWith('| `') && !line.endsWith('| yes |')),
    ...Object.keys(seen.calls).filter((name) => !known.has(name)),
  ];
  const [begin, end] = [`<!-- seen: ${client} -->\n\n`, `\n\n<!-- end: ${client} -->`];
  const page = readFileSync(PAGE, 'utf8');
  const [from, to] = [page.indexOf(begin), page.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`${PAGE} has no place for ${client}`);
  if (process.env['MODELKEEP_WRITE_CLIENTS'] !== '1') {
    return { table, committed: page.slice(from + begin.length, to), failing };
  }
  writeFileSync(PAGE, page.slice(0, from + begin.length) + table + page.slice(to));
  return { table, committed: table, failing };
}
