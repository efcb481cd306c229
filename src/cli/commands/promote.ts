import type { Command } from 'commander';
import { parseReference, promote, rollback, type Promoted } from '../../app/index.js';
import { describeGates, describeMove } from '../aliases/describe.js';
import { messageOf, parseExpect, versionNumber } from '../aliases/flags.js';
import { invoke, STORE_SETTINGS, withSettings, type World } from '../command.js';

interface PromoteFlags {
  readonly to: string;
  readonly expect?: string;
  readonly message?: string;
}

interface RollbackFlags {
  readonly to?: string;
  readonly message?: string;
}

/** `modelkeep promote`: point an alias at a version. */
export function promoteCommand(program: Command, world: World): void {
  const command = program
    .command('promote')
    .summary('point an alias at a version')
    .argument('<ref>', 'the version, such as sentiment:4 or sentiment@staging')
    .requiredOption('--to <ALIAS>', 'the alias to move, such as production')
    .option('--expect <VERSION>', 'only if the alias points at this version now; "none": only if it does not exist')
    .option('-m, --message <TEXT>', 'why, for the history')
    .addHelpText(
      'after',
      '\nExamples:\n  $ modelkeep promote sentiment:4 --to production -m "better on reviews"\n  $ modelkeep promote sentiment@staging --to production --expect 3',
    );
  withSettings(command, STORE_SETTINGS).action(async (ref: string, flags: PromoteFlags) =>
    invoke(world, { ...flags }, async ({ out, openStore, signal, user }) => {
      const reference = parseReference(ref);
      const expect = parseExpect(flags.expect);
      const options = { to: flags.to, signal, by: user, ...messageOf(flags) };
      const promoted = await promote(await openStore(), reference, {
        ...options,
        ...(expect === undefined ? {} : { expect }),
      });
      out.result(promoted, describePromotion);
    }),
  );
}

function describePromotion(promoted: Promoted): string {
  return [...(promoted.gates.length === 0 ? [] : [describeGates(promoted.gates)]), describeMove(promoted)].join('\n');
}

/** `modelkeep rollback`: point an alias back at the version before. */
export function rollbackCommand(program: Command, world: World): void {
  const command = program
    .command('rollback')
    .summary('point an alias back at the version before')
    .description(
      'Points an alias back at the version before its last move; one that is split or shadowed at its own version alone. No gate is asked.',
    )
    .argument('<ref>', 'model and alias, such as sentiment@production')
    .option('--to <VERSION>', 'the version to go back to; absent: the one before the last move')
    .option('-m, --message <TEXT>', 'why, for the history')
    .addHelpText(
      'after',
      '\nExamples:\n  $ modelkeep rollback sentiment@production\n  $ modelkeep rollback sentiment@production --to 2 -m "scores drifted"',
    );
  withSettings(command, STORE_SETTINGS).action(async (ref: string, flags: RollbackFlags) =>
    invoke(world, { ...flags }, async ({ out, openStore, signal, user }) => {
      const reference = parseReference(ref);
      const to = flags.to === undefined ? {} : { to: versionNumber(flags.to, '--to') };
      const options = { signal, by: user, ...to, ...messageOf(flags) };
      out.result(await rollback(await openStore(), reference, options), describeMove);
    }),
  );
}
