import type { Command } from 'commander';
import { lineage, parseReference, versionName, type Lineage, type LineageNode } from '../../app/index.js';
import { invoke, STORE_SETTINGS, withSettings, type World } from '../command.js';
import { formatTime, printable } from '../output.js';

/** `modelkeep lineage`: where a version comes from, and what came from it. */
export function lineageCommand(program: Command, world: World): void {
  const command = program
    .command('lineage')
    .summary('show where a version comes from, and what came from it')
    .argument('<ref>', 'such as sentiment, sentiment:3 or sentiment@production')
    .addHelpText(
      'after',
      '\nExamples:\n  $ modelkeep lineage sentiment:3\n  $ modelkeep lineage sentiment@production --json',
    );
  withSettings(command, STORE_SETTINGS).action(async (ref: string, flags: object) =>
    invoke(world, { ...flags }, async ({ out, openStore, signal }) => {
      const reference = parseReference(ref);
      out.result(await lineage(await openStore(), reference, { signal }), describe);
    }),
  );
}

function describe({ record, ancestors, base, descendants }: Lineage): string {
  const above = ancestors.toReversed();
  const lines = [
    ...(base === undefined ? [] : [`${base.join(', ')} (outside of this store)`]),
    ...above.map(lineOf),
    `${lineOf({ name: versionName(record), record, distance: 0 })}  <-`,
  ];
  // Each level of descent is one step to the right.
  const stairs = lines.map((line, level) => `${'  '.repeat(level)}${line}`);
  const below = descendants.map((node) => `${'  '.repeat(lines.length - 1 + node.distance)}${lineOf(node)}`);
  return [...stairs, ...below].join('\n');
}

function lineOf({ name, record }: LineageNode): string {
  if (record === undefined) return `${name}  (no longer in the store)`;
  const { publishedAt, publishedBy, message } = record;
  const by = publishedBy === undefined ? '' : ` by ${publishedBy}`;
  return printable(`${name}  ${formatTime(publishedAt)}${by}${message === undefined ? '' : `: ${message}`}`);
}
