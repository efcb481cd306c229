import type { Command } from 'commander';
import {
  checkModelName,
  formatBytes,
  parseWhere,
  shortDigest,
  type AliasRecord,
  type VersionRecord,
} from '../../app/index.js';
import { invoke, STORE_SETTINGS, withSettings, type World } from '../command.js';
import { formatTime, table } from '../output.js';

interface Listed extends VersionRecord {
  readonly aliases: readonly string[];
}

/** `modelkeep list`: the versions of one model, or of all. */
export function listCommand(program: Command, world: World): void {
  const command = program
    .command('list')
    .alias('ls')
    .summary('list versions')
    .argument('[model]', 'only this model')
    .option('--where <CONDITION>', 'only versions that meet it, such as "metadata.epoch >= 3 and tag = prod"')
    .addHelpText(
      'after',
      '\nExamples:\n  $ modelkeep list\n  $ modelkeep list sentiment --json\n  $ modelkeep list --where "training.eval_accuracy > 0.9 and not tag = old"\n  $ modelkeep list --where "text ~ reviews"',
    );
  withSettings(command, STORE_SETTINGS).action(async (model: string | undefined, flags: { readonly where?: string }) =>
    invoke(world, { ...flags }, async ({ out, openStore, signal }) => {
      const filter = model === undefined ? {} : { model: checkModelName(model) };
      const where = flags.where === undefined ? {} : { where: parseWhere(flags.where) };
      const store = await openStore();
      const [versions, aliases] = await Promise.all([
        store.listVersions({ ...filter, ...where }, { signal }),
        store.listAliases(filter, { signal }),
      ]);
      out.result(
        versions.map((version) => ({ ...version, aliases: namesOf(version, aliases) })),
        (listed) => describe(listed, flags.where !== undefined),
      );
    }),
  );
}

function namesOf({ model, version }: VersionRecord, aliases: readonly AliasRecord[]): string[] {
  return aliases.filter((one) => one.model === model && one.version === version).map(({ alias }) => alias);
}

function describe(versions: readonly Listed[], searched: boolean): string {
  if (versions.length === 0 && searched) return 'No version meets the condition';
  if (versions.length === 0) return 'No versions yet. Publish one: modelkeep push DIR --name MODEL';
  const rows = versions.map(
    ({ model, version, aliases, state, format, task, size, digest, publishedAt, publishedBy, tags, message }) => [
      `${model}:${version}`,
      aliases.map((alias) => `@${alias}`).join(' '),
      state,
      format ?? '?',
      task ?? '',
      formatBytes(size),
      digest === undefined ? '?' : shortDigest(digest),
      formatTime(publishedAt),
      publishedBy ?? '',
      tags?.join(' ') ?? '',
      message ?? '',
    ],
  );
  return table(
    ['VERSION', 'ALIASES', 'STATE', 'FORMAT', 'TASK', 'SIZE', 'DIGEST', 'PUBLISHED (UTC)', 'BY', 'TAGS', 'MESSAGE'],
    rows,
  );
}
