import { Command, CommanderError } from 'commander';
import { asModelkeepError, ModelkeepError } from '../app/index.js';
import type { World } from './command.js';
import { aliasCommand } from './commands/alias.js';
import { comparePrecisionCommand } from './commands/compare-precision.js';
import { configCommand } from './commands/config.js';
import { diffCommand } from './commands/diff.js';
import { doctorCommand } from './commands/doctor.js';
import { gcCommand } from './commands/gc.js';
import { evalCommand } from './commands/eval.js';
import { historyCommand } from './commands/history.js';
import { archiveCommands } from './commands/lifecycle.js';
import { keyCommand } from './commands/key.js';
import { lineageCommand } from './commands/lineage.js';
import { listCommand } from './commands/list.js';
import { predictCommand } from './commands/predict.js';
import { promoteCommand, rollbackCommand } from './commands/promote.js';
import { pullCommand } from './commands/pull.js';
import { pushCommand } from './commands/push.js';
import { retentionCommand } from './commands/retention.js';
import { serveCommand } from './commands/serve.js';
import { showCommand } from './commands/show.js';
import { transferCommands } from './commands/transfer.js';
import { signatureCommand, signCommand, signingKeyCommand } from './commands/sign.js';
import { verifyCommand } from './commands/verify.js';
import { annotateCommand, tagCommand } from './commands/tag.js';
import { webhookCommand } from './commands/webhook.js';
import { EXIT_CODE } from './exit-code.js';
import { Output } from './output.js';

/** The whole command line. */
export function createProgram(world: World): Command {
  const program = new Command('modelkeep')
    .description(
      'Keeps every version of a large NLP model, one warm copy of it in memory, and swaps it the moment a newer one is published.',
    )
    .version(world.version)
    .exitOverride()
    .showHelpAfterError('(add --help for examples)')
    .configureOutput({ writeOut: (text) => world.stdout.write(text), writeErr: (text) => world.stderr.write(text) });
  for (const add of [
    pushCommand,
    pullCommand,
    listCommand,
    showCommand,
    aliasCommand,
    promoteCommand,
    rollbackCommand,
    historyCommand,
    archiveCommands,
    retentionCommand,
    gcCommand,
    verifyCommand,
    diffCommand,
    transferCommands,
    tagCommand,
    annotateCommand,
    lineageCommand,
    signCommand,
    signatureCommand,
    signingKeyCommand,
    webhookCommand,
    predictCommand,
    evalCommand,
    comparePrecisionCommand,
    serveCommand,
    keyCommand,
    configCommand,
    doctorCommand,
  ]) {
    add(program, world);
  }
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
    await createProgram(world).parseAsync([...args], { from: 'user' });
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
