import { invalidKey, shownValue, ADAPTER_CONFIG_FILE, ADAPTER_WEIGHTS_FILE, MERGE_IT } from './refusal.js';
import { ModelkeepError } from '../../core/index.js';
import { ModulePattern } from './module-pattern.js';
import { namesOf, namesOrPattern, type Fields } from './settings.js';

/** Which layers an adapter changes by its settings. */
export interface Targets {
  /**
   * Makes sure that peft applies what the weights have for a layer: it passes over weights of layers that are no targets.
   *
   * @param module the layer's name in the base model
   * @throws ModelkeepError `INVALID_ARTIFACT` naming the setting
   */
  readonly check: (module: string) => void;
  /** The name that patterns of ranks and alphas are compared with: of a parameter it is that of the parameter. */
  readonly patternName: (module: string) => string;
}

/** The layers of (IA)³ whose inputs are multiplied, which peft finds by the ends of their names alone. */
export function feedforwardOf(fields: Fields): (module: string) => boolean | undefined {
  const wanted = namesOrPattern(fields, 'feedforward_modules') ?? [];
  return (module) =>
    typeof wanted === 'string' ? isMeant(module, wanted) : wanted.some((name) => module.endsWith(name));
}

/** True for the name itself and for any that ends with it, by whole parts. */
function isNamed(module: string, names: readonly string[]): boolean {
  return names.some((name) => module === name || module.endsWith(`.${name}`));
}

/** As peft finds a layer by a list of names or a pattern; undefined where the pattern cannot be told. */
function isMeant(module: string, wanted: readonly string[] | string): boolean | undefined {
  if (typeof wanted !== 'string') return isNamed(module, wanted);
  return ModulePattern.read(`(?:${wanted})\\Z`)?.matches(module);
}

const ALL_LINEAR = 'all-linear';

/** The numbers of layers that are changed. */
function layersOf(fields: Fields): readonly number[] | undefined {
  const value = fields['layers_to_transform'] ?? undefined;
  if (value === undefined) return undefined;
  const list: readonly unknown[] = Array.isArray(value) ? value : [value];
  if (list.every((layer) => typeof layer === 'number' && Number.isSafeInteger(layer) && layer >= 0))
    return list.length === 0 ? undefined : (list as readonly number[]);
  throw invalidKey('layers_to_transform', value, 'a number of a layer, or a list of such');
}

/** True if a layer of one of these numbers holds the module. */
function isInLayers(module: string, layers: readonly number[]): boolean {
  return module.split('.').some((part) => /^\d+$/.test(part) && layers.includes(Number(part)));
}

function untargeted(key: string, value: unknown, module: string, what: string): ModelkeepError {
  return new ModelkeepError(
    'INVALID_ARTIFACT',
    `${ADAPTER_CONFIG_FILE}: ${key} is ${shownValue(value)}, which ${what} "${module}", but ${ADAPTER_WEIGHTS_FILE} changes ` +
      `it, and peft would pass over that. Save the adapter again. ${MERGE_IT}, if it is meant`,
  );
}

/** @throws ModelkeepError `INVALID_ARTIFACT` for settings that are neither names nor patterns */
export function targetsOf(fields: Fields): Targets {
  const wanted = namesOrPattern(fields, 'target_modules');
  const excluded = namesOrPattern(fields, 'exclude_modules');
  const parameters = namesOf(fields, 'target_parameters');
  const layers = layersOf(fields);
  namesOrPattern(fields, 'layers_pattern');
  const isAll = typeof wanted === 'string' && wanted.toLowerCase() === ALL_LINEAR;
  const isParameter = (module: string): boolean => isNamed(`${module}.weight`, parameters ?? []);
  const isLayer = (module: string): boolean => isAll || isMeant(module, wanted ?? []) !== false;
  return {
    check: (module) => {
      if (isParameter(module)) return;
      if (!isLayer(module)) {
        const does = 'like target_parameters does not name';
        throw untargeted('target_modules', fields['target_modules'], module, does);
      }
      if (excluded !== undefined && excluded.length > 0 && isMeant(module, excluded) === true)
        throw untargeted('exclude_modules', fields['exclude_modules'], module, 'names');
      if (layers !== undefined && Array.isArray(wanted) && !isInLayers(module, layers))
        throw untargeted('layers_to_transform', fields['layers_to_transform'], module, 'leaves out');
    },
    patternName: (module) => (isParameter(module) ? `${module}.weight` : module),
  };
}
