import type { Command } from 'commander';
import { formatBytes, parseReference, show, versionName, type Shown } from '../../app/index.js';
import { invoke, STORE_SETTINGS, withSettings, type World } from '../command.js';
import { formatTime, table } from '../output.js';

/** `modelkeep show`: everything that is known of one version. */
export function showCommand(program: Command, world: World): void {
  const command = program
    .command('show')
    .summary('show what is known of a version')
    .argument('<ref>', 'such as sentiment, sentiment:3, sentiment@production or sentiment@sha256:9f86d081')
    .addHelpText('after', '\nExamples:\n  $ modelkeep show sentiment\n  $ modelkeep show sentiment:3 --json');
  withSettings(command, STORE_SETTINGS).action(async (ref: string, flags: object) =>
    invoke(world, { ...flags }, async ({ out, openStore, signal }) => {
      const reference = parseReference(ref);
      out.result(await show(await openStore(), reference, { signal }), describe);
    }),
  );
}

function describe({ record, manifest, aliases }: Shown): string {
  const facts: readonly (readonly [string, string | undefined])[] = [
    ['version', versionName(record)],
    ['digest', record.digest],
    ['id', record.id],
    ['format', record.format],
    ['task', record.task],
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
    ['message', record.message],
    ['parent', record.parent],
    ['metadata', Object.keys(record.metadata).length === 0 ? undefined : JSON.stringify(record.metadata)],
  ];
  const lines = facts.flatMap(([name, value]) => (value === undefined ? [] : [`${name.padEnd(10)} ${value}`]));
  const files = manifest.files.map(({ path, size, segments }) => [path, formatBytes(size), segments.length]);
  return `${lines.join('\n')}\n\n${table(['FILE', 'SIZE', 'SEGMENTS'], files)}`;
}
