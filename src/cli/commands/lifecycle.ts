import type { Command } from 'commander';
import { ModelkeepError, parseReference, type VersionRecord, type VersionState } from '../../app/index.js';
import { messageOf } from '../aliases/flags.js';
import { invoke, STORE_SETTINGS, withSettings, type World } from '../command.js';

/** `modelkeep archive`, `delete` and `restore`: take a version out of `latest`, or away altogether, or bring it back. */
export function archiveCommands(program: Command, world: World): void {
  stateCommand(program, world, 'archive', 'archived', 'keep a version, but no longer as the latest');
  stateCommand(program, world, 'delete', 'deleted', 'let go of a version; it can be restored until gc collects it');
  stateCommand(program, world, 'restore', 'ready', 'bring an archived or deleted version back');
}

function stateCommand(program: Command, world: World, name: string, state: VersionState, summary: string): void {
  const command = program
    .command(name)
    .summary(summary)
    .argument('<ref>', 'one version, such as sentiment:3')
    .option('-m, --message <TEXT>', 'why, for the history')
    .addHelpText('after', `\nExamples:\n  $ modelkeep ${name} sentiment:3 -m "superseded"`);
  withSettings(command, STORE_SETTINGS).action(async (ref: string, flags: { readonly message?: string }) =>
    invoke(world, { ...flags }, async ({ out, openStore, user }) => {
      const { model, selector } = parseReference(ref);
      if (selector.kind !== 'version')
        throw new ModelkeepError('INVALID_REFERENCE', `"${ref}" names no version number: write MODEL:VERSION`);
      const who = { by: user, ...messageOf(flags) };
      const changed = await (await openStore()).setState(model, selector.version, state, who);
      out.result(changed, (record: VersionRecord) => `${record.model}:${record.version} is ${record.state}`);
    }),
  );
}
