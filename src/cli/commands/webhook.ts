import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import {
  addWebhook,
  EVENT_KINDS,
  listWebhooks,
  ModelkeepError,
  removeWebhook,
  testWebhook,
  type AddedWebhook,
  type Attempt,
  type WebhookState,
} from '../../app/index.js';
import { invoke, STORE_SETTINGS, withSettings, type World } from '../command.js';
import { formatTime, table } from '../output.js';

interface AddFlags {
  readonly model?: string;
  readonly events?: string;
  readonly secretFile?: string;
}

const SENDING_SETTINGS = [...STORE_SETTINGS, 'webhookAllowPrivate'] as const;

/** `modelkeep webhook add|list|test|rm`: tell others by HTTP what happens. */
export function webhookCommand(program: Command, world: World): void {
  const group = program
    .command('webhook')
    .summary('tell others by HTTP what happens')
    .addHelpText(
      'after',
      '\nExamples:\n  $ modelkeep webhook add https://ci.example.com/models --model sentiment --events published,alias-moved\n  $ modelkeep webhook list',
    );
  addCommand(group, world);
  listCommand(group, world);
  testCommand(group, world);
  const remove = group
    .command('rm')
    .summary('remove a webhook')
    .argument('<id>', 'as "webhook list" shows it')
    .addHelpText('after', '\nExamples:\n  $ modelkeep webhook rm 9f86d081884c7d65');
  withSettings(remove, STORE_SETTINGS).action(async (id: string, flags: object) =>
    invoke(world, { ...flags }, async ({ out, openStore, signal }) => {
      const removed = await removeWebhook(await openStore(), id, { signal });
      out.result({ ...removed, removed: true }, () => `${id} (${removed.url}) removed`);
    }),
  );
}

function addCommand(group: Command, world: World): void {
  const command = group
    .command('add')
    .summary('add a webhook')
    .description(
      'Tells a URL by HTTP POST what happens from now on: signed, in order, at least once, by a server of this store. Addresses inside of the network are refused unless the operator allows them.',
    )
    .argument('<url>', 'https://HOST/PATH')
    .option('--model <MODEL>', 'only what happens to this model')
    .option('--events <KINDS>', `only these, separated by commas: ${Object.keys(EVENT_KINDS).join(', ')}`)
    .option(
      '--secret-file <FILE>',
      'holds the secret to sign with (whsec_ and base64); absent: one is made and shown once',
    )
    .addHelpText(
      'after',
      '\nExamples:\n  $ modelkeep webhook add https://ci.example.com/models --model sentiment --events published,alias-moved',
    );
  withSettings(command, SENDING_SETTINGS).action(async (url: string, flags: AddFlags) =>
    invoke(world, { ...flags }, async ({ out, openStore, settings, signal, user }) => {
      const secret = flags.secretFile === undefined ? undefined : await readSecret(flags.secretFile);
      const { model } = flags;
      const wanted = {
        url,
        by: user,
        ...(model === undefined ? {} : { model }),
        ...(flags.events === undefined ? {} : { events: flags.events.split(',').map((kind) => kind.trim()) }),
        ...(secret === undefined ? {} : { secret }),
      };
      const allowPrivate = settings.values.webhookAllowPrivate;
      const { secret: used, ...added } = await addWebhook(await openStore(), wanted, { allowPrivate, signal });
      // What came from a file need not be shown.
      out.result(secret === undefined ? { ...added, secret: used } : added, describeAdded);
    }),
  );
}

async function readSecret(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const { message } = error as Error;
    throw new ModelkeepError('INVALID_INPUT', `The secret file ${path} cannot be read: ${message}`, { cause: error });
  }
}

function describeAdded({ id, url, secret }: Omit<AddedWebhook, 'secret'> & { readonly secret?: string }): string {
  const told = `${id} added: ${url} is told what happens from now on, while a server of this store runs`;
  return secret === undefined ? told : `${told}\nSecret, shown this once: ${secret}`;
}

function listCommand(group: Command, world: World): void {
  const command = group
    .command('list')
    .summary('list webhooks, and how far each is')
    .addHelpText('after', '\nExamples:\n  $ modelkeep webhook list --json');
  withSettings(command, STORE_SETTINGS).action(async (flags: object) =>
    invoke(world, { ...flags }, async ({ out, openStore, signal }) =>
      out.result(await listWebhooks(await openStore(), { signal }), describeList),
    ),
  );
}

function describeList(webhooks: readonly WebhookState[]): string {
  if (webhooks.length === 0) return 'No webhooks yet. Add one: modelkeep webhook add https://HOST/PATH';
  const rows = webhooks.map((one) => [
    one.id,
    one.url,
    one.model ?? 'all',
    one.events?.join(' ') ?? 'all',
    one.behind,
    one.deliveredAt === undefined ? '' : formatTime(one.deliveredAt),
    stateOf(one),
  ]);
  return table(['ID', 'URL', 'MODEL', 'EVENTS', 'BEHIND', 'DELIVERED (UTC)', 'STATE'], rows);
}

function stateOf({ disabled, failing }: WebhookState): string {
  if (disabled !== undefined) return `disabled: ${disabled}`;
  if (failing === undefined) return 'ok';
  return `failing since ${formatTime(failing.since)} (${failing.attempts} times): ${failing.error}`;
}

function testCommand(group: Command, world: World): void {
  const command = group
    .command('test')
    .summary('send a webhook a test message, from this machine')
    .argument('<id>', 'as "webhook list" shows it')
    .addHelpText('after', '\nExamples:\n  $ modelkeep webhook test 9f86d081884c7d65');
  withSettings(command, SENDING_SETTINGS).action(async (id: string, flags: object) =>
    invoke(world, { ...flags }, async ({ out, openStore, settings, signal }) => {
      const allowPrivate = settings.values.webhookAllowPrivate;
      const attempt = await testWebhook(await openStore(), id, { allowPrivate, signal });
      out.result(attempt, describeAttempt);
      if (!attempt.delivered) {
        throw new ModelkeepError('GATE_FAILED', `The webhook ${id} did not take the test: ${attempt.error ?? ''}`);
      }
    }),
  );
}

function describeAttempt({ delivered, status, error }: Attempt): string {
  return delivered ? `It answered ${status}` : `Not delivered: ${error}`;
}
