import { Option, type Command } from 'commander';
import { CHANGE_RULES, getPublishing, setPublishing, type ChangeRule, type PublishingPolicy } from '../../app/index.js';
import { invoke, STORE_SETTINGS, withSettings, type World } from '../command.js';

interface Flags {
  readonly changes?: ChangeRule;
}

const WORDS: Readonly<Record<ChangeRule, string>> = {
  refuse: 'a push that answers otherwise than the newest version is refused (push --force publishes it)',
  warn: 'a push that answers otherwise than the newest version is published with a warning',
  allow: 'a push may answer otherwise than the newest version',
};

/** `modelkeep publishing`: what may become the newest version of a model. */
export function publishingCommand(program: Command, world: World): void {
  const command = program
    .command('publishing')
    .summary('say what may become the newest version of a model')
    .description(
      'Without --changes, shows it. A push answers otherwise than the newest version if it has no task where that has one, another task, other labels, or vectors of another length.',
    )
    .argument('<model>')
    .addOption(new Option('--changes <RULE>', 'what happens to a push that answers otherwise').choices(CHANGE_RULES))
    .addHelpText(
      'after',
      '\nExamples:\n  $ modelkeep publishing sentiment\n  $ modelkeep publishing sentiment --changes warn',
    );
  withSettings(command, STORE_SETTINGS).action(async (model: string, { changes, ...settings }: Flags) =>
    invoke(world, settings, async ({ out, openStore, signal }) => {
      const store = await openStore();
      const policy =
        changes === undefined
          ? await getPublishing(store, model, { signal })
          : await setPublishing(store, { model, changes }, { signal });
      out.result(policy, describe);
    }),
  );
}

function describe({ model, changes }: PublishingPolicy): string {
  return `${model}: ${changes}: ${WORDS[changes]}`;
}
