import type { Command } from 'commander';
import { collectGarbage, DEFAULT_GRACE_MS, formatBytes, type Collected } from '../../app/index.js';
import { invoke, STORE_SETTINGS, withSettings, type World } from '../command.js';
import { formatDuration, parseDuration } from '../duration.js';

interface Flags {
  readonly dryRun?: boolean;
  readonly grace?: string;
}

/** `modelkeep gc`: remove what no version needs. */
export function gcCommand(program: Command, world: World): void {
  const command = program
    .command('gc')
    .summary('remove what no version needs')
    .description(
      'Applies retention policies, ends versions that were deleted longer ago than the grace time, and removes data that no version needs and nobody touched for the grace time. Safe while others publish, read and collect; can be stopped at any moment and run again.',
    )
    .option('--dry-run', 'tell what would be removed, and remove nothing')
    .option(
      '--grace <TIME>',
      `how long deleted versions can be restored, such as 7d, 24h or 90s (default: ${formatDuration(DEFAULT_GRACE_MS)})`,
    )
    .addHelpText('after', '\nExamples:\n  $ modelkeep gc --dry-run\n  $ modelkeep gc --grace 7d');
  withSettings(command, STORE_SETTINGS).action(async (flags: Flags) =>
    invoke(world, { ...flags }, async ({ out, openStore, signal, user }) => {
      const graceMs = flags.grace === undefined ? DEFAULT_GRACE_MS : parseDuration(flags.grace, '--grace');
      const collected = await collectGarbage(await openStore(), {
        graceMs,
        dryRun: flags.dryRun === true,
        by: user,
        signal,
        onProgress: ({ phase, done, bytes }) => {
          if (!out.json && done > 100) out.note(`${phase}: ${done} done, ${formatBytes(bytes)} removed`);
        },
      });
      out.result(collected, describe);
    }),
  );
}

function describe({ dryRun, graceMs, archived, deleted, collected, restorable, removed, waiting }: Collected): string {
  const would = dryRun ? 'would be ' : '';
  return [
    ...named(`${would}archived, as no retention rule keeps them`, archived),
    ...named(`${would}deleted, as no retention rule keeps them`, deleted),
    ...named(`${would}gone for good`, collected),
    ...named(`deleted, can be restored for ${formatDuration(graceMs)} after their deletion`, restorable),
    `${removed.count} segments and files with ${formatBytes(removed.bytes)} ${dryRun ? 'would be removed' : 'removed'}`,
    ...(waiting.count === 0
      ? []
      : [
          `${waiting.count} with ${formatBytes(waiting.bytes)} are needed by no version, but were touched within ${formatDuration(graceMs)}`,
        ]),
  ].join('\n');
}

function named(what: string, versions: readonly string[]): string[] {
  return versions.length === 0 ? [] : [`${what}: ${versions.join(', ')}`];
}
