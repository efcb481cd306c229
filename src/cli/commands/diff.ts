import type { Command } from 'commander';
import {
  compareVersions,
  diff,
  formatBytes,
  openModelkeep,
  parseReference,
  versionName,
  type ChangedTensor,
  type ComparedAnswers,
  type DataRow,
  type ValueChange,
  type VersionDiff,
} from '../../app/index.js';
import { invoke, NODE_SETTINGS, withSettings, type Invocation, type World } from '../command.js';
import { formOfPath, rowsOf } from '../input/requests.js';
import { openSource } from '../input/text.js';
import { table } from '../output.js';

/** Rows of a table for people; `--json` has all. */
const SHOWN = 20;

/** `modelkeep diff`: what two versions have in common, and what not. */
export function diffCommand(program: Command, world: World): void {
  const command = program
    .command('diff')
    .summary('compare two versions')
    .description(
      'Compares files, tensors by name, bytes, configuration, labels, tokenizer and metadata of two versions; with --eval also how they answer labelled examples.',
    )
    .argument('<first>', 'such as sentiment@production')
    .argument('<second>', 'such as sentiment:4')
    .option('--eval <FILE>', 'labelled examples (JSON lines or .csv), as modelkeep eval takes them')
    .addHelpText(
      'after',
      '\nExamples:\n  $ modelkeep diff sentiment:3 sentiment:4\n  $ modelkeep diff sentiment@production sentiment --eval eval.jsonl\n  $ modelkeep diff sentiment:3 sentiment:4 --json',
    );
  withSettings(command, NODE_SETTINGS).action(
    async (first: string, second: string, flags: { readonly eval?: string }) =>
      invoke(world, { ...flags }, async (invocation) => {
        const { out, signal } = invocation;
        const references = [parseReference(first), parseReference(second)] as const;
        const rows = flags.eval === undefined ? undefined : await readRows(invocation, flags.eval);
        const store = await invocation.openStore();
        const result = await diff(store, ...references, { signal });
        if (rows === undefined) return out.result(result, (found) => describe(found));
        await using keep = await openModelkeep({ ...invocation.settings.values, store });
        const answers = await compareVersions(keep, result.first, result.second, rows, { signal });
        return out.result({ ...result, answers }, (found) => `${describe(found)}\n\n${describeAnswers(found.answers)}`);
      }),
  );
}

async function readRows({ stdin }: Invocation, path: string): Promise<DataRow[]> {
  const source = await openSource(path, stdin);
  const rows: DataRow[] = [];
  for await (const { row } of rowsOf(source, formOfPath(path) === 'csv' ? 'csv' : 'jsonl')) rows.push(row);
  return rows;
}

function describe({
  files,
  tensors,
  bytes,
  configuration,
  labels,
  tokenizer,
  metadata,
  first,
  second,
}: VersionDiff): string {
  const { equal, changed, added, removed } = tensors;
  const other = files.filter(({ kind }) => kind !== 'equal');
  const sections = [
    `${versionName(first)} and ${versionName(second)} share ${formatBytes(bytes.shared)}; only the first has ${formatBytes(bytes.onlyFirst)}, only the second ${formatBytes(bytes.onlySecond)}`,
    `${files.length - other.length} files are equal${other.map(({ path, kind }) => `\n  ${kind} ${path}`).join('')}`,
    `${equal} tensors are equal, ${changed.length} changed, ${added.length} added, ${removed.length} removed`,
    ...(changed.length === 0 ? [] : [describeChanged(changed)]),
    ...[...added.map((one) => ({ ...one, kind: 'added' })), ...removed.map((one) => ({ ...one, kind: 'removed' }))]
      .slice(0, SHOWN)
      .map(({ kind, name, shape, dtype }) => `  ${kind} ${name} ${dtype ?? '?'}[${shape.join(', ')}]`),
    ...values('configuration', configuration),
    ...values('labels', labels),
    ...values('tokenizer', tokenizer.changes),
    ...((tokenizer.addedTokens ?? 0) + (tokenizer.removedTokens ?? 0) === 0
      ? []
      : [`vocabulary: ${tokenizer.addedTokens} tokens added, ${tokenizer.removedTokens} removed`]),
    ...values('metadata', metadata),
  ];
  return sections.join('\n');
}

function describeChanged(changed: readonly ChangedTensor[]): string {
  const rows = changed.slice(0, SHOWN).map((one) => {
    const { name, first, second, differing, elements } = one;
    const form = (each: typeof first): string => `${each.dtype ?? '?'}[${each.shape.join(', ')}]`;
    const shape = form(first) === form(second) ? form(first) : `${form(first)} -> ${form(second)}`;
    const share = differing === undefined ? '' : `${differing} of ${elements}`;
    return [name, shape, share, figure(one.norm), figure(one.relativeNorm), figure(one.largest)];
  });
  const more = changed.length > SHOWN ? `\nand ${changed.length - SHOWN} more (--json has all)` : '';
  return table(['TENSOR', 'FORM', 'DIFFERING', 'NORM', 'RELATIVE', 'LARGEST'], rows) + more;
}

function values(what: string, changes: readonly ValueChange[]): string[] {
  if (changes.length === 0) return [];
  const lines = changes
    .slice(0, SHOWN)
    .map((one) => `  ${one.path}: ${valueText(one.first)} -> ${valueText(one.second)}`);
  return [`${what}:`, ...lines, ...(changes.length > SHOWN ? [`  and ${changes.length - SHOWN} more`] : [])];
}

function describeAnswers({ examples, changed }: ComparedAnswers): string {
  const worse = changed.filter(({ drop }) => drop > 0).length;
  const better = changed.filter(({ drop }) => drop < 0).length;
  const head = `${changed.length} of ${examples} answers changed: ${worse} worse, ${better} better`;
  if (changed.length === 0) return head;
  const rows = changed.slice(0, SHOWN).map(({ example, row, first, second, drop }) => {
    const text = Object.values(row).find((value) => typeof value === 'string' && value.includes(' '));
    return [
      example,
      drop > 0 ? 'worse' : drop < 0 ? 'better' : '',
      cellsOf(first),
      cellsOf(second),
      typeof text === 'string' ? text.slice(0, 60) : '',
    ];
  });
  return `${head}\n${table(['EXAMPLE', '', 'FIRST', 'SECOND', 'TEXT'], rows)}`;
}

function cellsOf(answer: Readonly<Record<string, unknown>>): string {
  return Object.values(answer)
    .map((value) =>
      typeof value === 'number' ? value.toFixed(3) : typeof value === 'string' ? value : JSON.stringify(value),
    )
    .join(' ');
}

function figure(value: number | undefined): string {
  return value === undefined ? '' : value.toPrecision(3);
}

function valueText(value: unknown): string {
  return value === undefined ? '(none)' : JSON.stringify(value).slice(0, 100);
}
