import type { Command } from 'commander';
import { checkModelName, parseReference, promote, removeAlias } from '../../app/index.js';
import { describeAliases, describeMove } from '../aliases/describe.js';
import { messageOf, parseExpect } from '../aliases/flags.js';
import { invoke, STORE_SETTINGS, withSettings, type World } from '../command.js';
import { policyCommands } from './alias-policy.js';
import { trafficCommands } from './alias-traffic.js';

interface MoveFlags {
  readonly expect?: string;
  readonly message?: string;
}

/** `modelkeep alias …`: movable names of versions, what guards them, and how their requests are shared. */
export function aliasCommand(program: Command, world: World): void {
  const group = program
    .command('alias')
    .summary('set, guard, split, remove or list aliases')
    .addHelpText(
      'after',
      '\nExamples:\n  $ modelkeep alias set sentiment:3 production\n  $ modelkeep alias set sentiment production        (the latest version)\n  $ modelkeep alias protect sentiment@production\n  $ modelkeep alias split sentiment@production 3=90 4=10\n  $ modelkeep alias rm sentiment@staging\n  $ modelkeep alias list',
    );
  setCommand(group, world);
  removeCommand(group, world);
  policyCommands(group, world);
  trafficCommands(group, world);
  const list = group
    .command('list')
    .summary('list aliases')
    .argument('[model]', 'only this model')
    .addHelpText('after', '\nExamples:\n  $ modelkeep alias list\n  $ modelkeep alias list sentiment --json');
  withSettings(list, STORE_SETTINGS).action(async (model: string | undefined, flags: object) =>
    invoke(world, { ...flags }, async ({ out, openStore, signal }) => {
      const filter = model === undefined ? {} : { model: checkModelName(model) };
      out.result(await (await openStore()).listAliases(filter, { signal }), describeAliases);
    }),
  );
}

function setCommand(group: Command, world: World): void {
  const command = group
    .command('set')
    .summary('point an alias at a version')
    .description(
      'Points an alias at a version, without asking the quality, latency and memory gates; an alias whose policy asks for them is moved by modelkeep promote.',
    )
    .argument('<ref>', 'the version, such as sentiment:3')
    .argument('<alias>', 'such as production')
    .option('--expect <VERSION>', 'only if the alias points at this version now; "none": only if it does not exist')
    .option('-m, --message <TEXT>', 'why, for the history')
    .addHelpText(
      'after',
      '\nExamples:\n  $ modelkeep alias set sentiment:3 production\n  $ modelkeep alias set sentiment:3 production --expect 2 -m "better on news"',
    );
  withSettings(command, STORE_SETTINGS).action(async (ref: string, alias: string, flags: MoveFlags) =>
    invoke(world, { ...flags }, async ({ out, openStore, signal, user }) => {
      const reference = parseReference(ref);
      const expect = parseExpect(flags.expect);
      const options = { to: alias, action: 'set' as const, signal, by: user, ...messageOf(flags) };
      const { gates: _none, ...moved } = await promote(await openStore(), reference, {
        ...options,
        ...(expect === undefined ? {} : { expect }),
      });
      out.result(moved, describeMove);
    }),
  );
}

function removeCommand(group: Command, world: World): void {
  const command = group
    .command('rm')
    .summary('remove an alias, and what guards it')
    .argument('<ref>', 'model and alias, such as sentiment@staging')
    .option('-m, --message <TEXT>', 'why, for the history')
    .addHelpText('after', '\nExamples:\n  $ modelkeep alias rm sentiment@staging');
  withSettings(command, STORE_SETTINGS).action(async (ref: string, flags: MoveFlags) =>
    invoke(world, { ...flags }, async ({ out, openStore, signal, user }) => {
      const reference = parseReference(ref);
      const { model, alias } = await removeAlias(await openStore(), reference, {
        signal,
        by: user,
        ...messageOf(flags),
      });
      out.result({ model, alias, removed: true }, () => `${ref} removed`);
    }),
  );
}
