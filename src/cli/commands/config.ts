import type { Command } from 'commander';
import {
  environmentName,
  flagName,
  SETTINGS,
  splitNamed,
  type ResolvedSettings,
  type SettingName,
} from '../../app/index.js';
import { invoke, withSettings, type World } from '../command.js';
import { table } from '../output.js';
import { withoutSecrets } from '../redact.js';

/** `modelkeep config`: every setting, its value, and where that came from. */
export function configCommand(program: Command, world: World): void {
  const names = Object.keys(SETTINGS) as SettingName[];
  const command = program
    .command('config')
    .summary('print every setting, its value and where it came from')
    .addHelpText('after', '\nExamples:\n  $ modelkeep config\n  $ MODELKEEP_PORT=9000 modelkeep config --json');
  withSettings(command, names).action(async (flags: object) =>
    invoke(world, { ...flags }, ({ out, settings }) => {
      out.result(describeAll(names, settings), (all) =>
        table(
          ['SETTING', 'VALUE', 'FROM', 'FLAG', 'ENVIRONMENT'],
          all.map((one) => [one.name, String(one.value), one.origin, one.flag, one.environment]),
        ),
      );
      return Promise.resolve();
    }),
  );
}

function shown(name: SettingName, values: ResolvedSettings['values']): unknown {
  if (name === 'store') return withoutSecrets(values.store);
  if (name !== 'otherStores') return values[name];
  return values.otherStores.map((one) => {
    const [other, url] = splitNamed(one);
    return `${other}=${withoutSecrets(url)}`;
  });
}

function describeAll(names: readonly SettingName[], { values, origins }: ResolvedSettings) {
  return names.map((name) => ({
    name,
    value: shown(name, values),
    origin: origins[name],
    defaultValue: SETTINGS[name].defaultValue,
    flag: flagName(name),
    environment: environmentName(name),
    description: SETTINGS[name].description,
  }));
}
