import type { Command } from 'commander';
import {
  describeUnderstood,
  formatBytes,
  parseReference,
  show,
  storedUnderstanding,
  versionName,
  type PickleReport,
  type Shown,
} from '../../app/index.js';
import { invoke, STORE_SETTINGS, withSettings, type World } from '../command.js';
import { formatTime, printable, table } from '../output.js';

/** `modelkeep show`: everything that is known of one version. */
export function showCommand(program: Command, world: World): void {
  const command = program
    .command('show')
    .summary('show what is known of a version')
    .argument('<ref>', 'such as sentiment, sentiment:3, sentiment@production or sentiment@sha256:9f86d081')
    .option('--node', 'which servers hold it, and in which form they answer, instead')
    .addHelpText(
      'after',
      '\nExamples:\n  $ modelkeep show sentiment\n  $ modelkeep show sentiment:3 --json\n  $ modelkeep show sentiment@production --node',
    );
  withSettings(command, STORE_SETTINGS).action(async (ref: string, flags: { readonly node?: boolean }) =>
    invoke(world, { ...flags }, async ({ out, openStore, signal }) => {
      const shown = await show(await openStore(), parseReference(ref), { signal });
      if (flags.node === true) out.result(onNodes(shown), describeNodes);
      else out.result(shown, describe);
    }),
  );
}

/** A version, and the servers that said lately that they hold it. */
interface OnNodes extends Pick<Shown, 'nodes'> {
  readonly model: string;
  readonly version: number;
}

function onNodes({ record: { model, version }, nodes }: Shown): OnNodes {
  return { model, version, nodes };
}

function formOf(compiled: boolean | undefined): string {
  if (compiled === undefined) return '';
  return compiled ? 'compiled' : 'plain';
}

function describeNodes({ model, version, nodes }: OnNodes): string {
  if (nodes.length === 0) return `No server says that it holds ${model}:${version}`;
  const rows = nodes.map(({ host, pid, state, since, precision = '', compiled }) => {
    return [printable(host), pid, state, formatTime(since), printable(precision), formOf(compiled)];
  });
  return table(['HOST', 'PROCESS', 'STATE', 'SINCE (UTC)', 'PRECISION', 'FORM'], rows);
}

/** What a pickled model was written by and imports; names outside the allow-list are marked. */
function describePickle(pickle: Partial<PickleReport> | undefined): readonly (readonly [string, string | undefined])[] {
  if (pickle === undefined) return [];
  const { sklearn, numpy, python, skops, globals = [], unsafeGlobals = [], incompleteWhy } = pickle;
  const releases = Object.entries({ 'scikit-learn': sklearn, numpy, skops, python });
  const unsafe = new Set(unsafeGlobals);
  const names = globals.map((name) => (unsafe.has(name) ? `${name} (NOT on the allow-list)` : name));
  return [
    ['written by', releases.flatMap(([name, value]) => (value === undefined ? [] : [`${name} ${value}`])).join(', ')],
    ['imports', names.join(', ') || undefined],
    ['', incompleteWhy === undefined ? undefined : `there may be more: ${incompleteWhy}`],
  ];
}

/** What its publisher was warned of. */
function warningsOf(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((one) => typeof one === 'string') : [];
}

function describeNode({ host, pid, state, precision, compiled }: Shown['nodes'][number]): string {
  const form = precision === undefined ? '' : `, ${precision}${compiled === true ? ' compiled' : ''}`;
  return `${host} (process ${pid}, ${state}${form})`;
}

/** Lines that `show` has anyway. */
const SHOWN_ALREADY: ReadonlySet<string> = new Set(['task', 'precision']);

function describe({ record, manifest, aliases, nodes }: Shown): string {
  const { pickle: _, understood: _understood, warnings, ...metadata } = record.metadata;
  const understood = storedUnderstanding(record.metadata);
  const facts: readonly (readonly [string, string | undefined])[] = [
    ['version', versionName(record)],
    ['digest', record.digest],
    ['id', record.id],
    ['format', record.format],
    ['task', record.task],
    ['precision', manifest.precision],
    ...(understood === undefined ? [] : describeUnderstood(understood).filter(([name]) => !SHOWN_ALREADY.has(name))),
    [
      'size',
      `${formatBytes(record.size)} in ${manifest.files.length} files, ${manifest.files.reduce((sum, file) => sum + file.segments.length, 0)} segments`,
    ],
    ['state', record.state],
    ['aliases', aliases.map(({ alias }) => alias).join(', ') || undefined],
    [
      'published',
      `${formatTime(record.publishedAt)} UTC${record.publishedBy === undefined ? '' : ` by ${record.publishedBy}`}`,
    ],
    ['held by', nodes.map(describeNode).join(', ') || undefined],
    ['message', record.message],
    ['parent', record.parent],
    ...warningsOf(warnings).map((warning): [string, string] => ['warning', warning]),
    ['tags', record.tags?.join(', ')],
    [
      'annotated',
      Object.entries(record.annotations ?? {})
        .map(([key, value]) => `${key}=${value}`)
        .join(', ') || undefined,
    ],
    ...describePickle(record.metadata.pickle as Partial<PickleReport> | undefined),
    ['metadata', Object.keys(metadata).length === 0 ? undefined : JSON.stringify(metadata)],
  ];
  const lines = facts.flatMap(([name, value]) =>
    value === undefined ? [] : [`${name.padEnd(10)} ${printable(value)}`],
  );
  const files = manifest.files.map(({ path, size, segments }) => [path, formatBytes(size), segments.length]);
  return `${lines.join('\n')}\n\n${table(['FILE', 'SIZE', 'SEGMENTS'], files)}`;
}
