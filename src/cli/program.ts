import { Command, CommanderError } from 'commander';
import { asModelkeepError, ModelkeepError } from '../app/index.js';
import type { World } from './command.js';
import { EXIT_CODE } from './exit-code.js';
import { Output } from './output.js';

/** Adds commands to a program. */
type Add = (program: Command, world: World) => void;

/** A module of commands: their names, and how it is loaded. */
type Commands = readonly [names: readonly string[], load: () => Promise<readonly Add[]>];

/** In the order of the help. */
const COMMANDS: readonly Commands[] = [
  [['push'], async () => [(await import('./commands/push.js')).pushCommand]],
  [['pull'], async () => [(await import('./commands/pull.js')).pullCommand]],
  [['list'], async () => [(await import('./commands/list.js')).listCommand]],
  [['show'], async () => [(await import('./commands/show.js')).showCommand]],
  [['alias'], async () => [(await import('./commands/alias.js')).aliasCommand]],
  [['promote'], async () => [(await import('./commands/promote.js')).promoteCommand]],
  [['rollback'], async () => [(await import('./commands/promote.js')).rollbackCommand]],
  [['history'], async () => [(await import('./commands/history.js')).historyCommand]],
  [['archive', 'restore', 'delete'], async () => [(await import('./commands/lifecycle.js')).archiveCommands]],
  [['publishing'], async () => [(await import('./commands/publishing.js')).publishingCommand]],
  [['retention'], async () => [(await import('./commands/retention.js')).retentionCommand]],
  [['gc'], async () => [(await import('./commands/gc.js')).gcCommand]],
  [['verify'], async () => [(await import('./commands/verify.js')).verifyCommand]],
  [['diff'], async () => [(await import('./commands/diff.js')).diffCommand]],
  [['copy', 'export', 'import'], async () => [(await import('./commands/transfer.js')).transferCommands]],
  [['tag'], async () => [(await import('./commands/tag.js')).tagCommand]],
  [['annotate'], async () => [(await import('./commands/tag.js')).annotateCommand]],
  [['lineage'], async () => [(await import('./commands/lineage.js')).lineageCommand]],
  [['sign'], async () => [(await import('./commands/sign.js')).signCommand]],
  [['signature'], async () => [(await import('./commands/sign.js')).signatureCommand]],
  [['signing-key'], async () => [(await import('./commands/sign.js')).signingKeyCommand]],
  [['webhook'], async () => [(await import('./commands/webhook.js')).webhookCommand]],
  [['predict'], async () => [(await import('./commands/predict.js')).predictCommand]],
  [['eval'], async () => [(await import('./commands/eval.js')).evalCommand]],
  [['compare-precision'], async () => [(await import('./commands/compare-precision.js')).comparePrecisionCommand]],
  [['serve'], async () => [(await import('./commands/serve.js')).serveCommand]],
  [['key'], async () => [(await import('./commands/key.js')).keyCommand]],
  [['config'], async () => [(await import('./commands/config.js')).configCommand]],
  [['doctor'], async () => [(await import('./commands/doctor.js')).doctorCommand]],
];

/**
 * The command line: all of it, or the commands of the module that the first argument names, since reading the modules of
 * all takes longer than most commands do.
 */
async function createProgram(world: World, [first]: readonly string[]): Promise<Command> {
  const program = new Command('modelkeep')
    .description(
      'Keeps every version of a large NLP model, one warm copy of it in memory, and swaps it the moment a newer one is published.',
    )
    .version(world.version)
    .exitOverride()
    .showHelpAfterError('(add --help for examples)')
    .configureOutput({ writeOut: (text) => world.stdout.write(text), writeErr: (text) => world.stderr.write(text) });
  const named = COMMANDS.filter(([names]) => first !== undefined && names.includes(first));
  for (const [, load] of named.length === 0 ? COMMANDS : named) for (const add of await load()) add(program, world);
  inherit(program);
  return program;
}

/** Subcommands are made before their parent is configured. */
function inherit(parent: Command): void {
  for (const command of parent.commands) {
    command.copyInheritedSettings(parent);
    inherit(command);
  }
}

/**
 * Runs one command line.
 *
 * @param args what follows the program's name
 * @returns the exit code
 */
export async function run(args: readonly string[], world: World): Promise<number> {
  const json = args.includes('--json');
  try {
    await (await createProgram(world, args)).parseAsync([...args], { from: 'user' });
    return 0;
  } catch (thrown) {
    if (thrown instanceof CommanderError) return usage(thrown, json, world);
    const error = world.signal.aborted ? asModelkeepError(world.signal.reason, 'CANCELLED') : asModelkeepError(thrown);
    new Output({ ...world, json }).error(error);
    return EXIT_CODE[error.code];
  }
}

/** The parser has written its message already; a program that reads JSON gets it as JSON too. */
function usage(error: CommanderError, json: boolean, world: World): number {
  if (error.exitCode === 0) return 0;
  const message = error.message.replace(/^error: /, '');
  if (json) new Output({ ...world, json }).error(new ModelkeepError('INVALID_INPUT', message));
  return EXIT_CODE.INVALID_INPUT;
}
