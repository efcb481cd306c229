import type { Command } from 'commander';
import { ModelkeepError, parseReference, setAliasTraffic, type AliasTraffic } from '../../app/index.js';
import { describeAlias } from '../aliases/describe.js';
import { messageOf, numberFlag, versionNumber } from '../aliases/flags.js';
import { invoke, STORE_SETTINGS, withSettings, type World } from '../command.js';

interface Flags {
  readonly message?: string;
  readonly shadow?: string;
  readonly off?: boolean;
}

/** `modelkeep alias split`: share the requests of an alias among versions, or shadow it. */
export function trafficCommands(group: Command, world: World): void {
  const command = group
    .command('split')
    .summary('share the requests of an alias among versions, or have one shadow it')
    .description(
      'Shares the requests of an alias among versions: the same key (header x-modelkeep-key) always gets the same one. With --shadow the alias’s own version answers, and the named one answers too and is only compared. A promotion or rollback ends either.',
    )
    .argument('<ref>', 'model and alias, such as sentiment@production')
    .argument('[share...]', 'VERSION=PERCENT; they add to 100, and one is the alias’s own version')
    .option('--shadow <VERSION>', 'compare this version’s answers, without ever giving them')
    .option('--off', 'all requests go to the alias’s own version again')
    .option('-m, --message <TEXT>', 'why, for the history')
    .addHelpText(
      'after',
      '\nExamples:\n  $ modelkeep alias split sentiment@production 3=90 4=10\n  $ modelkeep alias split sentiment@production --shadow 4\n  $ modelkeep alias split sentiment@production --off',
    );
  withSettings(command, STORE_SETTINGS).action(async (ref: string, shares: readonly string[], flags: Flags) =>
    invoke(world, { ...flags }, async ({ out, openStore, signal, user }) => {
      const reference = parseReference(ref);
      const traffic = trafficOf(shares, flags);
      const options = { signal, by: user, ...messageOf(flags) };
      out.result(await setAliasTraffic(await openStore(), reference, traffic, options), describeAlias);
    }),
  );
}

function trafficOf(shares: readonly string[], { shadow, off }: Flags): AliasTraffic | null {
  const given = [shares.length > 0, shadow !== undefined, off === true].filter(Boolean).length;
  if (given !== 1)
    throw new ModelkeepError('INVALID_INPUT', 'Give shares such as 3=90 4=10, or --shadow VERSION, or --off');
  if (off === true) return null;
  if (shadow !== undefined) return { kind: 'shadow', version: versionNumber(shadow, '--shadow') };
  return { kind: 'split', shares: shares.map(shareOf) };
}

function shareOf(text: string): { readonly version: number; readonly percent: number } {
  const [version = '', percent, more] = text.split('=');
  const share = more === undefined ? numberFlag(percent, `The share of ${JSON.stringify(text)}`) : undefined;
  if (share === undefined)
    throw new ModelkeepError('INVALID_INPUT', `Share ${JSON.stringify(text)} is not VERSION=PERCENT, such as 4=10`);
  return { version: versionNumber(version, 'The version'), percent: share };
}
