import { Option, type Command } from 'commander';
import {
  ModelkeepError,
  parseReference,
  setAliasPolicy,
  type AutoRollbackPolicy,
  type PolicyChange,
} from '../../app/index.js';
import { describeAlias } from '../aliases/describe.js';
import { durationFlag, messageOf, numberFlag } from '../aliases/flags.js';
import { invoke, STORE_SETTINGS, withSettings, type World } from '../command.js';

interface Flags {
  readonly message?: string;
}

/** The gates that `alias gate set` and `promote` take, each a flag. */
export interface GateFlags {
  readonly parity?: 'on' | 'off' | 'auto';
  readonly parityTolerance?: string;
  readonly quality?: 'on' | 'off' | 'auto';
  readonly maxDrop?: string;
  readonly maxLatency?: string;
  readonly maxMemory?: string;
}

/** Adds the flags of {@link GateFlags}. */
export function withGateFlags(command: Command): Command {
  const states = ['on', 'off', 'auto'];
  return command
    .addOption(
      new Option('--parity <STATE>', 'nodes recompute the golden outputs; auto: where there are some').choices(states),
    )
    .option('--parity-tolerance <NUMBER>', 'largest difference of a number from its golden one (0.001)')
    .addOption(
      new Option('--quality <STATE>', 'measure on the stored evaluation set; auto: where there is one').choices(states),
    )
    .option('--max-drop <NUMBER>', 'largest drop of the figure against the version now serving (0.01)')
    .option('--max-latency <RATIO>', 'largest median latency, as a ratio to that of the version now serving')
    .option('--max-memory <RATIO>', 'largest memory, as a ratio to that of the version now serving');
}

/** `default` goes back to the default. */
function numberOf(text: string | undefined, flag: string): number | undefined {
  return text === 'default' ? undefined : numberFlag(text, flag);
}

/** The gates of the flags; `auto` and `default` go back to the default. @throws ModelkeepError `INVALID_INPUT` naming the flag */
export function gatesOf(flags: GateFlags): NonNullable<PolicyChange['gates']> {
  const state = (value: GateFlags['parity']) => (value === 'auto' ? undefined : value);
  return {
    ...(flags.parity === undefined ? {} : { parity: state(flags.parity) }),
    ...(flags.parityTolerance === undefined
      ? {}
      : { parityTolerance: numberOf(flags.parityTolerance, '--parity-tolerance') }),
    ...(flags.quality === undefined ? {} : { quality: state(flags.quality) }),
    ...(flags.maxDrop === undefined ? {} : { maxDrop: numberOf(flags.maxDrop, '--max-drop') }),
    ...(flags.maxLatency === undefined ? {} : { maxLatencyRatio: numberOf(flags.maxLatency, '--max-latency') }),
    ...(flags.maxMemory === undefined ? {} : { maxMemoryRatio: numberOf(flags.maxMemory, '--max-memory') }),
  };
}

/** `modelkeep alias protect|unprotect|gate|guard`: what guards an alias. */
export function policyCommands(group: Command, world: World): void {
  changeCommand<Flags>(group, world, {
    name: 'protect',
    summary: 'ask for a message, and over HTTP for the scope admin, whenever the alias is changed',
    example: 'alias protect sentiment@production',
    change: () => ({ protected: true }),
  });
  changeCommand<Flags>(group, world, {
    name: 'unprotect',
    summary: 'end the protection of an alias',
    example: 'alias unprotect sentiment@production -m "moved to another team"',
    change: () => ({ protected: false }),
  });
  const gate = group.command('gate').summary('set which gates a version must pass before it answers for an alias');
  changeCommand<Flags & GateFlags>(gate, world, {
    name: 'set',
    summary: 'set gates; those that are not named stay as they are',
    example:
      'alias gate set sentiment@production --quality on --max-drop 0.02\n  $ modelkeep alias gate set sentiment@production --max-latency 1.5 --max-memory 1.2\n  $ modelkeep alias gate set sentiment@production --max-latency default',
    add: withGateFlags,
    change: (flags) => {
      const gates = gatesOf(flags);
      if (Object.keys(gates).length > 0) return { gates };
      throw new ModelkeepError('INVALID_INPUT', 'No gate is named: add --quality on, --max-drop 0.02 … (see --help)');
    },
  });
  guardCommand(group, world);
}

interface GuardFlags extends Flags {
  readonly for?: string;
  readonly maxErrorRate?: string;
  readonly maxP95?: string;
  readonly minRequests?: string;
  readonly off?: boolean;
}

function guardCommand(group: Command, world: World): void {
  changeCommand<GuardFlags>(group, world, {
    name: 'guard',
    summary: 'have nodes move the alias back by themselves when a promoted version fails or is slow',
    example:
      'alias guard sentiment@production --for 10m --max-error-rate 0.05\n  $ modelkeep alias guard sentiment@production --for 10m --max-p95 200ms --min-requests 50\n  $ modelkeep alias guard sentiment@production --off',
    add: (command) =>
      command
        .option('--for <TIME>', 'how long after a promotion a node watches, such as 10m')
        .option('--max-error-rate <SHARE>', 'largest share of requests that may fail, 0 to 1')
        .option('--max-p95 <TIME>', 'largest 95th percentile of the time to an answer, such as 200ms')
        .option('--min-requests <N>', 'requests that a node must have seen before it judges (20)')
        .option('--off', 'guard it no longer'),
    change: (flags) => ({ autoRollback: flags.off === true ? null : guardOf(flags) }),
  });
}

function guardOf({ for: within, maxErrorRate, maxP95, minRequests }: GuardFlags): AutoRollbackPolicy {
  if (within === undefined) throw new ModelkeepError('INVALID_INPUT', 'Say how long to watch: --for 10m (or --off)');
  const errorRate = numberFlag(maxErrorRate, '--max-error-rate');
  const requests = numberFlag(minRequests, '--min-requests');
  return {
    withinMs: durationFlag(within, '--for'),
    ...(errorRate === undefined ? {} : { maxErrorRate: errorRate }),
    ...(maxP95 === undefined ? {} : { maxP95Ms: durationFlag(maxP95, '--max-p95') }),
    ...(requests === undefined ? {} : { minRequests: requests }),
  };
}

interface ChangeCommand<Given> {
  readonly name: string;
  readonly summary: string;
  readonly example: string;
  readonly add?: (command: Command) => Command;
  readonly change: (flags: Given) => PolicyChange;
}

function changeCommand<Given extends object>(
  group: Command,
  world: World,
  { name, summary, example, add = (command) => command, change }: ChangeCommand<Given>,
): void {
  const command = group
    .command(name)
    .summary(summary)
    .argument('<ref>', 'model and alias, such as sentiment@production')
    .option('-m, --message <TEXT>', 'why, for the history')
    .addHelpText('after', `\nExamples:\n  $ modelkeep ${example}`);
  withSettings(add(command), STORE_SETTINGS).action(async (ref: string, flags: Given & Flags) =>
    invoke(world, flags as Readonly<Record<string, unknown>>, async ({ out, openStore, signal, user }) => {
      const reference = parseReference(ref);
      const wanted = change(flags);
      const options = { signal, by: user, ...messageOf(flags) };
      out.result(await setAliasPolicy(await openStore(), reference, wanted, options), describeAlias);
    }),
  );
}
