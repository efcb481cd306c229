import type { Command } from 'commander';
import {
  asModelkeepError,
  formatBytes,
  openGates,
  parseReference,
  promote,
  rollback,
  moveChanges,
  type GateResult,
  type Promoted,
  type WeightChanges,
} from '../../app/index.js';
import { describeGates, describeMove } from '../aliases/describe.js';
import { messageOf, parseExpect, versionNumber } from '../aliases/flags.js';
import { gatesOf, withGateFlags, type GateFlags } from './alias-policy.js';
import { invoke, NODE_SETTINGS, STORE_SETTINGS, withSettings, type Invocation, type World } from '../command.js';

interface PromoteFlags extends GateFlags {
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
    .summary('point an alias at a version, if its gates let it')
    .description(
      'Points an alias at a version. A version with golden examples must give its golden answers here; where a version of the model carries an evaluation set, the new version must not be worse on it than the one now serving by more than the policy allows. A gate that fails leaves everything as it was.',
    )
    .argument('<ref>', 'the version, such as sentiment:4 or sentiment@staging')
    .requiredOption('--to <ALIAS>', 'the alias to move, such as production')
    .option('--expect <VERSION>', 'only if the alias points at this version now; "none": only if it does not exist')
    .option('-m, --message <TEXT>', 'why, for the history')
    .addHelpText(
      'after',
      '\nExamples:\n  $ modelkeep promote sentiment:4 --to production -m "better on reviews"\n  $ modelkeep promote sentiment@staging --to production --expect 3\n  $ modelkeep promote sentiment:4 --to production --max-drop 0.02 --max-latency 1.5',
    );
  withSettings(withGateFlags(command), NODE_SETTINGS).action(async (ref: string, flags: PromoteFlags) =>
    invoke(world, { ...flags }, async ({ out, openStore, settings, signal, user }) => {
      const reference = parseReference(ref);
      const expect = parseExpect(flags.expect);
      const options = { to: flags.to, signal, by: user, ...messageOf(flags) };
      const store = await openStore();
      const onProgress = (version: string, doneBytes: number, totalBytes: number): void =>
        out.progress(`evaluating ${version}`, { doneBytes, totalBytes }, (examples) => `${examples} examples`);
      const promoted = await showingGates(
        out,
        promote(store, reference, {
          ...options,
          gates: gatesOf(flags),
          runGates: openGates({ ...settings.values, store, onProgress }),
          ...(expect === undefined ? {} : { expect }),
        }),
      );
      const change = await moveChanges(store, promoted, { signal });
      out.result({ ...promoted, ...(change === undefined ? {} : { change }) }, describePromotion);
    }),
  );
}

/** What gates found is told also when they held the version back; as JSON it is in the error. */
async function showingGates(out: Invocation['out'], promoting: Promise<Promoted>): Promise<Promoted> {
  try {
    return await promoting;
  } catch (thrown) {
    const { code, details } = asModelkeepError(thrown);
    if (code === 'GATE_FAILED' && Array.isArray(details['gates']) && !out.json)
      out.note(describeGates(details['gates'] as readonly GateResult[]));
    throw thrown;
  }
}

/** Names shown of a list of tensors. */
const NAMES_SHOWN = 6;

function list(what: string, names: readonly string[]): readonly string[] {
  const shown = names.slice(0, NAMES_SHOWN).join(', ');
  const more = names.length > NAMES_SHOWN ? ` and ${names.length - NAMES_SHOWN} more` : '';
  return names.length === 0 ? [] : [`${names.length} ${what} (${shown}${more})`];
}

function describeChange({ changed, added, removed, equal, newBytes, totalBytes }: WeightChanges): string {
  const parts = [
    ...list('changed', changed),
    ...list('added', added),
    ...list('removed', removed),
    `${equal} the same`,
  ];
  const known = changed.length + added.length + removed.length + equal > 0;
  const tensors = known ? `tensors: ${parts.join(', ')}; ` : '';
  return `${tensors}${formatBytes(newBytes)} of ${formatBytes(totalBytes)} are new, the rest is shared with the version before`;
}

function describePromotion(promoted: Promoted & { readonly change?: WeightChanges }): string {
  const { gates, change } = promoted;
  return [
    ...(gates.length === 0 ? [] : [describeGates(gates)]),
    ...(change === undefined ? [] : [describeChange(change)]),
    describeMove(promoted),
  ].join('\n');
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
