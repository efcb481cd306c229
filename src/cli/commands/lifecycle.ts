import type { Command } from 'commander';
import {
  history,
  ModelkeepError,
  parseReference,
  promote,
  rollback,
  type AliasMoved,
  type StoreEvent,
  type VersionRecord,
  type VersionState,
} from '../../app/index.js';
import { invoke, STORE_SETTINGS, withSettings, type World } from '../command.js';
import { formatTime, table } from '../output.js';
import { describeRules } from '../retention-words.js';

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
      const expect = flags.expect === 'none' ? null : versionOf(flags.expect, '--expect');
      const options = { to: flags.to, signal, by: user, ...(expect === undefined ? {} : { expect }), ...about(flags) };
      out.result(await promote(await openStore(), reference, options), describeMove);
    }),
  );
}

/** `modelkeep rollback`: point an alias back at the version before. */
export function rollbackCommand(program: Command, world: World): void {
  const command = program
    .command('rollback')
    .summary('point an alias back at the version before')
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
      const to = versionOf(flags.to, '--to');
      const options = { signal, by: user, ...(to === undefined ? {} : { to }), ...about(flags) };
      out.result(await rollback(await openStore(), reference, options), describeMove);
    }),
  );
}

/** `modelkeep history`: what happened to a model or an alias. */
export function historyCommand(program: Command, world: World): void {
  const command = program
    .command('history')
    .summary('show what happened to a model or an alias')
    .argument('<ref>', 'such as sentiment or sentiment@production')
    .addHelpText(
      'after',
      '\nExamples:\n  $ modelkeep history sentiment\n  $ modelkeep history sentiment@production --json',
    );
  withSettings(command, STORE_SETTINGS).action(async (ref: string, flags: object) =>
    invoke(world, { ...flags }, async ({ out, openStore, signal }) => {
      const reference = parseReference(ref);
      out.result(await history(await openStore(), reference, { signal }), describeHistory);
    }),
  );
}

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
  withSettings(command, STORE_SETTINGS).action(async (ref: string, flags: RollbackFlags) =>
    invoke(world, { ...flags }, async ({ out, openStore, user }) => {
      const { model, selector } = parseReference(ref);
      if (selector.kind !== 'version')
        throw new ModelkeepError('INVALID_REFERENCE', `"${ref}" names no version number: write MODEL:VERSION`);
      const changed = await (await openStore()).setState(model, selector.version, state, { by: user, ...about(flags) });
      out.result(changed, (record: VersionRecord) => `${record.model}:${record.version} is ${record.state}`);
    }),
  );
}

function about({ message }: { readonly message?: string }): { message?: string } {
  return message === undefined ? {} : { message };
}

function versionOf(text: string | undefined, flag: string): number | undefined {
  if (text === undefined) return undefined;
  const version = Number(text);
  if (Number.isSafeInteger(version) && version > 0) return version;
  throw new ModelkeepError('INVALID_INPUT', `${flag} ${JSON.stringify(text)} is no version number`);
}

function describeMove({ model, alias, from, version }: AliasMoved): string {
  if (from === version) return `${model}@${alias} points at version ${version} already`;
  return `${model}@${alias}: ${from === undefined ? '(none)' : from} -> ${version}`;
}

function describeEvent(event: StoreEvent): string {
  switch (event.kind) {
    case 'published':
      return `version ${event.version} published`;
    case 'alias-moved':
      return `@${event.alias}: ${event.from ?? '(none)'} -> ${event.to}`;
    case 'alias-removed':
      return `@${event.alias} removed, pointed at ${event.from}`;
    case 'archived':
    case 'restored':
    case 'deleted':
    case 'collected':
      return `version ${event.version} ${event.kind}`;
    case 'retention-set':
      return `retention: ${describeRules(event.rules)}`;
  }
}

function describeHistory(events: readonly StoreEvent[]): string {
  if (events.length === 0) return 'Nothing has happened yet';
  const rows = events.map((event) => [formatTime(event.at), describeEvent(event), event.by ?? '', event.message ?? '']);
  return table(['WHEN (UTC)', 'WHAT', 'BY', 'WHY'], rows);
}
