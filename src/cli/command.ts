import { readFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import type { Writable } from 'node:stream';
import { type Command, Option } from 'commander';
import {
  environmentName,
  flagName,
  ModelkeepError,
  openStore,
  resolveSettings,
  SETTINGS,
  type ResolvedSettings,
  type SettingName,
  type VersionStore,
} from '../app/index.js';
import { Output } from './output.js';

/** The world around a command, so that tests can own it. */
export interface World {
  readonly stdin: NodeJS.ReadableStream & { readonly isTTY?: boolean };
  readonly stdout: Writable;
  readonly stderr: Writable & { readonly isTTY?: boolean };
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Fires when the user interrupts. */
  readonly signal: AbortSignal;
  /** This software's version. */
  readonly version: string;
}

/** What a command's action works with. */
export interface Invocation extends World {
  readonly out: Output;
  readonly settings: ResolvedSettings;
  /** Opens the store of the settings; closed when the command ends. */
  readonly openStore: () => Promise<VersionStore>;
  /** Who is at the keyboard. */
  readonly user: string;
}

/** Settings that every command takes. */
export const STORE_SETTINGS = ['store', 'bucket', 'pollIntervalMs'] as const satisfies readonly SettingName[];
/** Settings of a command that runs models. */
export const NODE_SETTINGS = [
  ...STORE_SETTINGS,
  'cacheDir',
  'cacheMaxBytes',
  'runners',
  'threads',
  'requestTimeoutMs',
  'maxQueue',
  'maxQueueMs',
  'maxBatchRequests',
  'maxBatchTokens',
  'memoryBudget',
  'answerCache',
  'precision',
  'weightBits',
  'allowPickle',
  'python',
  'wheelhouse',
  'pickleMaxMemory',
  'requireSignature',
] as const satisfies readonly SettingName[];

/** Adds the flags of settings. They have no defaults here, so that they cannot shadow the environment or the file. */
export function withSettings(command: Command, names: readonly SettingName[]): Command {
  for (const name of names) {
    const { description, placeholder, valueOptional } = SETTINGS[name];
    const value = valueOptional === true ? `[${placeholder}]` : `<${placeholder}>`;
    command.addOption(new Option(`${flagName(name)} ${value}`, `${description} [${environmentName(name)}]`));
  }
  return command
    .option('--json', 'one JSON document on standard output')
    .option('--config <FILE>', 'JSON file of settings [MODELKEEP_CONFIG]');
}

async function readConfigFile(path: string | undefined): Promise<Record<string, unknown>> {
  if (path === undefined || path === '') return {};
  try {
    const parsed: unknown = JSON.parse(await readFile(path, 'utf8'));
    if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed))
      return parsed as Record<string, unknown>;
  } catch (error) {
    throw new ModelkeepError(
      'INVALID_INPUT',
      `The configuration file ${path} cannot be read: ${(error as Error).message}`,
      { cause: error },
    );
  }
  throw new ModelkeepError('INVALID_INPUT', `The configuration file ${path} does not hold a JSON object of settings`);
}

/** Builds what an action works with from its flags, runs it, and closes what it opened. */
export async function invoke(
  world: World,
  flags: Readonly<Record<string, unknown>>,
  action: (invocation: Invocation) => Promise<void>,
): Promise<void> {
  const out = new Output({ ...world, json: flags.json === true });
  const file = await readConfigFile((flags.config as string | undefined) ?? world.environment.MODELKEEP_CONFIG);
  const known = Object.fromEntries(Object.entries(flags).filter(([name]) => Object.hasOwn(SETTINGS, name)));
  const settings = resolveSettings({ flags: known, environment: world.environment, file });
  const opened: VersionStore[] = [];
  const open = async (): Promise<VersionStore> => {
    const store = await openStore(settings.values.store, settings.values);
    opened.push(store);
    return store;
  };
  try {
    await action({ ...world, out, settings, openStore: open, user: userName(world.environment) });
  } finally {
    out.endProgress();
    for (const store of opened) await store.close();
  }
}

function userName(environment: World['environment']): string {
  try {
    return userInfo().username;
  } catch {
    // A container may run a user that no password file knows.
    return environment.USER ?? 'unknown';
  }
}
