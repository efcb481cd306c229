import { didYouMean, ModelkeepError } from '../core/index.js';
import { SETTINGS, type SettingName, type Settings } from './settings.js';

/** Where a setting's value came from, the strongest first. */
export type SettingOrigin = 'flag' | 'environment' | 'file' | 'default';

/** Settings and where each value came from. */
export interface ResolvedSettings {
  readonly values: Settings;
  readonly origins: Readonly<Record<SettingName, SettingOrigin>>;
}

/** The setting's environment variable: `cacheDir` is `MODELKEEP_CACHE_DIR`. */
export function environmentName(name: SettingName): string {
  return `MODELKEEP_${name.replaceAll(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;
}

/** The setting's flag: `cacheDir` is `--cache-dir`. */
export function flagName(name: SettingName): string {
  return `--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/** Where values are looked for; a flag wins over the environment, that over the file, that over the default. */
export interface SettingSources {
  readonly flags?: Readonly<Partial<Record<SettingName, unknown>>>;
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** The parsed configuration file. */
  readonly file?: Readonly<Record<string, unknown>>;
}

/**
 * Finds the value of every setting.
 *
 * @throws ModelkeepError `INVALID_INPUT` naming the setting, its value and where it was given; for an unknown name in
 * the file too
 */
export function resolveSettings({ flags = {}, environment = {}, file = {} }: SettingSources): ResolvedSettings {
  const unknown = Object.keys(file).find((name) => !Object.hasOwn(SETTINGS, name));
  if (unknown !== undefined) {
    const known = Object.keys(SETTINGS);
    throw new ModelkeepError(
      'INVALID_INPUT',
      `The configuration file has the unknown setting ${JSON.stringify(unknown)}; known are ${known.join(', ')}` +
        didYouMean(unknown, known),
    );
  }
  const values: Record<string, unknown> = {};
  const origins: Record<string, SettingOrigin> = {};
  for (const name of Object.keys(SETTINGS) as SettingName[]) {
    const candidates: readonly (readonly [SettingOrigin, unknown])[] = [
      ['flag', flags[name]],
      ['environment', environment[environmentName(name)]],
      ['file', file[name]],
      ['default', SETTINGS[name].defaultValue],
    ];
    const [origin, value] = candidates.find(([, candidate]) => candidate !== undefined)!;
    values[name] = origin === 'default' ? value : parse(name, origin, value);
    origins[name] = origin;
  }
  return { values: values as unknown as Settings, origins: origins as Record<SettingName, SettingOrigin> };
}

/** The value of an option of the library, if it is one. @throws ModelkeepError `INVALID_INPUT` naming the option */
export function checkSetting(name: SettingName, value: unknown): unknown {
  return parse(name, 'default', value);
}

function parse(name: SettingName, origin: SettingOrigin, value: unknown): unknown {
  const { schema, description, secret } = SETTINGS[name];
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const places = {
    flag: flagName(name),
    environment: environmentName(name),
    file: `"${name}" in the configuration file`,
    default: name,
  };
  const shown = secret === true ? '' : ` ${JSON.stringify(value)}`;
  const why = parsed.error.issues.map(({ message }) => message).join('; ');
  throw new ModelkeepError('INVALID_INPUT', `${places[origin]}${shown}: ${why}. ${description}`);
}
