import type { Command } from 'commander';
import { checkModelName, ModelkeepError, parseReference, type AliasMoved, type AliasRecord } from '../../app/index.js';
import { invoke, STORE_SETTINGS, withSettings, type World } from '../command.js';
import { table } from '../output.js';

interface MoveFlags {
  readonly expect?: string;
  readonly message?: string;
}

/** `modelkeep alias set|rm|list`: movable names of versions. */
export function aliasCommand(program: Command, world: World): void {
  const group = program
    .command('alias')
    .summary('set, remove or list aliases')
    .addHelpText(
      'after',
      '\nExamples:\n  $ modelkeep alias set sentiment:3 production\n  $ modelkeep alias set sentiment production        (the latest version)\n  $ modelkeep alias rm sentiment@staging\n  $ modelkeep alias list',
    );
  setCommand(group, world);
  removeCommand(group, world);
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
      const store = await openStore();
      const { model, version } = await store.resolve(reference, { signal });
      const move = { model, alias, to: version, by: user, ...(expect === undefined ? {} : { expect }) };
      const moved = await store.moveAlias(
        { ...move, ...(flags.message === undefined ? {} : { message: flags.message }) },
        { signal },
      );
      out.result(moved, describeMove);
    }),
  );
}

function removeCommand(group: Command, world: World): void {
  const command = group
    .command('rm')
    .summary('remove an alias')
    .argument('<ref>', 'model and alias, such as sentiment@staging')
    .option('-m, --message <TEXT>', 'why, for the history')
    .addHelpText('after', '\nExamples:\n  $ modelkeep alias rm sentiment@staging');
  withSettings(command, STORE_SETTINGS).action(async (ref: string, flags: MoveFlags) =>
    invoke(world, { ...flags }, async ({ out, openStore, user }) => {
      const { model, selector } = parseReference(ref);
      if (selector.kind !== 'alias')
        throw new ModelkeepError('INVALID_REFERENCE', `"${ref}" names no alias: write MODEL@ALIAS`);
      const removal = { model, alias: selector.alias, by: user };
      await (
        await openStore()
      ).removeAlias({ ...removal, ...(flags.message === undefined ? {} : { message: flags.message }) });
      out.result({ model, alias: selector.alias, removed: true }, () => `${ref} removed`);
    }),
  );
}

function parseExpect(text: string | undefined): number | null | undefined {
  if (text === undefined) return undefined;
  if (text === 'none') return null;
  const version = Number(text);
  if (Number.isSafeInteger(version) && version > 0) return version;
  throw new ModelkeepError('INVALID_INPUT', `--expect ${JSON.stringify(text)} is neither a version number nor "none"`);
}

function describeMove({ model, alias, from, version }: AliasMoved): string {
  if (from === version) return `${model}@${alias} points at version ${version} already`;
  return `${model}@${alias}: ${from === undefined ? '(none)' : from} -> ${version}`;
}

function describeAliases(aliases: readonly AliasRecord[]): string {
  if (aliases.length === 0) return 'No aliases yet. Set one: modelkeep alias set MODEL:VERSION ALIAS';
  return table(
    ['ALIAS', 'VERSION', 'MOVES'],
    aliases.map(({ model, alias, version, revision }) => [`${model}@${alias}`, version, revision]),
  );
}
