import type { Command } from 'commander';
import { addKey, listKeys, ModelkeepError, removeKey, SCOPES, type KeyDescription } from '../../app/index.js';
import { invoke, withSettings, type Invocation, type World } from '../command.js';
import { printable, table } from '../output.js';

interface AddFlags {
  readonly scope: readonly string[];
  readonly model?: readonly string[];
  readonly expires?: string;
}

const DAY_MS = 86_400_000;

/** `modelkeep key add|list|rm`: the keys of a server. */
export function keyCommand(program: Command, world: World): void {
  const group = program
    .command('key')
    .summary('add, list or remove API keys of a server')
    .description(
      'Keys are kept as hashes in the file that --auth-keys names, which a running server reads again when it changes.',
    )
    .addHelpText(
      'after',
      '\nExamples:\n  $ modelkeep key add shop --scope infer --model sentiment --auth-keys keys.json\n  $ modelkeep key list --auth-keys keys.json\n  $ modelkeep key rm shop --auth-keys keys.json\n  $ modelkeep serve --auth-keys keys.json',
    );
  addCommand(group, world);
  const list = group.command('list').summary('list keys, never their secrets');
  withSettings(list, ['authKeys']).action(async (flags: object) =>
    invoke(world, { ...flags }, async (invocation) => {
      invocation.out.result(await listKeys(keyFile(invocation)), describeKeys);
    }),
  );
  const remove = group.command('rm').summary('remove a key: it stops to work within a second').argument('<name>');
  withSettings(remove, ['authKeys']).action(async (name: string, flags: object) =>
    invoke(world, { ...flags }, async (invocation) => {
      invocation.out.result(
        { ...(await removeKey(keyFile(invocation), name)), removed: true },
        (key) => `${printable(key.name)} removed`,
      );
    }),
  );
}

function addCommand(group: Command, world: World): void {
  const command = group
    .command('add')
    .summary('make a key; it is shown this once')
    .argument('<name>', 'who will hold it')
    .requiredOption('--scope <SCOPE...>', `what it allows: ${SCOPES.join(', ')}`)
    .option('--model <MODEL...>', 'models that it may use, or team/* for a namespace; absent: all')
    .option('--expires <DATE>', 'when it stops to work: 2027-01-31, or in days: 90d');
  withSettings(command, ['authKeys']).action(async (name: string, flags: AddFlags) =>
    invoke(world, { ...flags }, async (invocation) => {
      const expiresAt = flags.expires === undefined ? undefined : parseExpiry(flags.expires);
      const added = await addKey(keyFile(invocation), {
        name,
        scopes: flags.scope,
        ...(flags.model === undefined ? {} : { models: flags.model }),
        ...(expiresAt === undefined ? {} : { expiresAt }),
      });
      invocation.out.result(added, ({ key }) => key);
      if (!invocation.out.json) invocation.out.note('Keep it: it is not stored anywhere and is not shown again');
    }),
  );
}

function keyFile({ settings }: Invocation): string {
  const { authKeys } = settings.values;
  if (authKeys !== '') return authKeys;
  throw new ModelkeepError('INVALID_INPUT', 'Which file? Name it with --auth-keys FILE or MODELKEEP_AUTH_KEYS');
}

function parseExpiry(text: string): Date {
  const [, days] = /^(\d{1,5})d$/.exec(text) ?? [];
  const date = days === undefined ? new Date(text) : new Date(Date.now() + Number(days) * DAY_MS);
  if (date.getTime() > Date.now()) return date;
  throw new ModelkeepError(
    'INVALID_INPUT',
    `--expires ${JSON.stringify(text)} is no date in the future, nor days (90d)`,
  );
}

function describeKeys(keys: readonly KeyDescription[]): string {
  if (keys.length === 0) return 'No keys. Make one: modelkeep key add NAME --scope infer';
  return table(
    ['ID', 'NAME', 'SCOPES', 'MODELS', 'CREATED', 'EXPIRES'],
    keys.map(({ id, name, scopes, models, createdAt, expiresAt }) => [
      id,
      printable(name),
      scopes.join(', '),
      models?.join(', ') ?? 'all',
      createdAt,
      expiresAt ?? 'never',
    ]),
  );
}
