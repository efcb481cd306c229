import type { Command } from 'commander';
import { checkModelName, ModelkeepError, setRetention, type RetentionPolicy } from '../../app/index.js';
import { invoke, STORE_SETTINGS, withSettings, type World } from '../command.js';
import { parseDuration } from '../duration.js';
import { table } from '../output.js';
import { describeRules } from '../retention-words.js';

interface Flags {
  readonly keepLast?: string;
  readonly keepAliased?: boolean;
  readonly keepYoungerThan?: string;
  readonly message?: string;
}

/** `modelkeep retention set|rm|list`: which versions are kept when garbage is collected. */
export function retentionCommand(program: Command, world: World): void {
  const group = program
    .command('retention')
    .summary('say which versions are kept when garbage is collected')
    .addHelpText(
      'after',
      '\nExamples:\n  $ modelkeep retention set sentiment --keep-last 5 --keep-aliased --keep-younger-than 30d\n  $ modelkeep retention list\n  $ modelkeep retention rm sentiment',
    );
  setCommand(group, world);
  const remove = group
    .command('rm')
    .summary('remove the policy of a model: everything is kept')
    .argument('<model>')
    .option('-m, --message <TEXT>', 'why, for the history');
  withSettings(remove, STORE_SETTINGS).action(async (model: string, flags: Flags) =>
    invoke(world, { ...flags }, async ({ out, openStore, user }) => {
      await (await openStore()).setRetention({ model: checkModelName(model) }, { by: user, ...about(flags) });
      out.result({ model, removed: true }, () => `${model}: everything is kept`);
    }),
  );
  const list = group.command('list').summary('list the policies');
  withSettings(list, STORE_SETTINGS).action(async (flags: object) =>
    invoke(world, { ...flags }, async ({ out, openStore, signal }) => {
      out.result(await (await openStore()).listRetention({ signal }), describeAll);
    }),
  );
}

function setCommand(group: Command, world: World): void {
  const command = group
    .command('set')
    .summary('set the policy of a model')
    .description(
      'A version that no rule keeps is archived by the next gc, deleted by a gc a grace time later, and gone after another. What an alias points at and the newest ready version are always kept.',
    )
    .argument('<model>')
    .option('--keep-last <N>', 'keep the newest N versions')
    .option('--keep-aliased', 'keep also the version that each alias pointed at before, so that it can be rolled back')
    .option('--keep-younger-than <TIME>', 'keep versions published within this time, such as 30d')
    .option('-m, --message <TEXT>', 'why, for the history');
  withSettings(command, STORE_SETTINGS).action(async (model: string, flags: Flags) =>
    invoke(world, { ...flags }, async ({ out, openStore, signal, user }) => {
      const policy = policyOf(model, flags);
      out.result(await setRetention(await openStore(), policy, { signal, by: user, ...about(flags) }), describe);
    }),
  );
}

function policyOf(model: string, { keepLast, keepAliased, keepYoungerThan }: Flags): RetentionPolicy {
  if (keepLast === undefined && keepAliased !== true && keepYoungerThan === undefined) {
    throw new ModelkeepError(
      'INVALID_INPUT',
      'Name at least one of --keep-last, --keep-aliased and --keep-younger-than; modelkeep retention rm keeps everything',
    );
  }
  return {
    model: checkModelName(model),
    ...(keepLast === undefined ? {} : { keepLast: Number(keepLast) }),
    ...(keepAliased === true ? { keepAliased } : {}),
    ...(keepYoungerThan === undefined
      ? {}
      : { keepYoungerThanMs: parseDuration(keepYoungerThan, '--keep-younger-than') }),
  };
}

function about({ message }: Flags): { readonly message?: string } {
  return message === undefined ? {} : { message };
}

function describe({ model, ...rules }: RetentionPolicy): string {
  return `${model}: ${describeRules(rules)}`;
}

function describeAll(policies: readonly RetentionPolicy[]): string {
  if (policies.length === 0)
    return 'No policies: everything is kept. Set one: modelkeep retention set MODEL --keep-last 5';
  return table(
    ['MODEL', 'POLICY'],
    policies.map(({ model, ...rules }) => [model, describeRules(rules)]),
  );
}
