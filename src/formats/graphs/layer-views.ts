import { ModelkeepError } from '../../core/index.js';
import type { ModelConfig } from './config.js';

/** How a layer of ModernBERT sees other tokens: all of them, or those within its window. */
export type View = 'full_attention' | 'sliding_attention';

/** The rotary positions of one kind of layer. */
export interface RotaryShape {
  /** Base of the frequencies. */
  readonly theta: number;
  /** By which all frequencies are divided. */
  readonly factor: number;
}

const VIEWS: readonly View[] = ['full_attention', 'sliding_attention'];
/** Names of older releases. */
const FORMER: Readonly<Record<string, View>> = { attention: 'full_attention' };
/** Fields of one kind's parameters that are read. */
const READ = ['rope_type', 'type', 'rope_theta', 'factor'];

function wrong(field: string, value: unknown, supported: string): ModelkeepError {
  return new ModelkeepError(
    'UNSUPPORTED_FORMAT',
    `config.json: ${field} ${JSON.stringify(value)} is not supported; supported: ${supported}`,
  );
}

/**
 * How each layer sees other tokens: `layer_types` as transformers 5 writes it, else every so many layers all tokens.
 *
 * @throws ModelkeepError `UNSUPPORTED_FORMAT` for a type that ModernBERT has not; `INVALID_ARTIFACT` for too few
 */
export function viewsOf(config: ModelConfig): readonly View[] {
  const layers = config.size('num_hidden_layers');
  const types = config.raw('layer_types') ?? undefined;
  if (types === undefined) {
    const every = config.size('global_attn_every_n_layers', 3);
    return Array.from({ length: layers }, (_, layer) => (layer % every === 0 ? 'full_attention' : 'sliding_attention'));
  }
  if (!Array.isArray(types) || types.length < layers) {
    throw new ModelkeepError(
      'INVALID_ARTIFACT',
      `config.json: layer_types is ${JSON.stringify(types).slice(0, 200)}, not a list of ${layers} types, one a layer`,
    );
  }
  return (types as readonly unknown[]).slice(0, layers).map((type) => {
    const view = typeof type === 'string' ? (FORMER[type] ?? type) : type;
    const known = VIEWS.find((one) => one === view);
    if (known === undefined) throw wrong('layer_types has', type, `${VIEWS.join(', ')}, which it`);
    return known;
  });
}

/** Parameters of both kinds as one object each, and where they stand. */
function parametersOf(config: ModelConfig, view: View): readonly [field: string, parameters: object] {
  const all = config.raw('rope_parameters') ?? undefined;
  // transformers 5 puts them into both kinds.
  const scaling = config.raw('rope_scaling') ?? undefined;
  if (scaling !== undefined) {
    if (typeof scaling !== 'object' || all !== undefined)
      throw wrong('rope_scaling', scaling, 'none beside rope_parameters');
    return ['rope_scaling', scaling];
  }
  if (all === undefined) return ['rope_parameters', {}];
  const each = typeof all === 'object' && !Array.isArray(all) ? (all as Readonly<Record<string, unknown>>) : undefined;
  const strange = each === undefined || Object.keys(each).some((key) => !VIEWS.some((one) => one === key));
  if (strange) throw wrong('rope_parameters', all, `parameters of ${VIEWS.join(' and of ')}`);
  const own = each[view] ?? {};
  if (typeof own !== 'object') throw wrong(`rope_parameters.${view}`, own, 'an object');
  return [`rope_parameters.${view}`, own];
}

/**
 * Rotary positions of a kind of layer: `rope_parameters` of transformers 5, else `global_rope_theta` and
 * `local_rope_theta` of 4.
 *
 * @throws ModelkeepError `UNSUPPORTED_FORMAT` for a type of positions that is not served
 */
export function rotaryOf(config: ModelConfig, view: View): RotaryShape {
  const [field, parameters] = parametersOf(config, view);
  const given = parameters as Readonly<Record<string, unknown>>;
  const type = given['rope_type'] ?? given['type'] ?? 'default';
  if (type !== 'default' && type !== 'linear') throw wrong(`${field}.rope_type`, type, 'default, linear');
  const other = Object.entries(given).find(
    ([key, value]) => !READ.includes(key) && value !== null && !(key === 'partial_rotary_factor' && value === 1),
  );
  if (other !== undefined) throw wrong(`${field}.${other[0]}`, other[1], READ.join(', '));
  const factor = type === 'linear' ? positive(`${field}.factor`, given['factor']) : 1;
  const theta = given['rope_theta'] ?? undefined;
  return { factor, theta: theta === undefined ? formerTheta(config, view) : positive(`${field}.rope_theta`, theta) };
}

function formerTheta(config: ModelConfig, view: View): number {
  const global = config.number('global_rope_theta', 160_000);
  if (view === 'full_attention' || config.raw('local_rope_theta') === null) return global;
  return config.number('local_rope_theta', 10_000);
}

function positive(field: string, value: unknown): number {
  if (typeof value === 'number' && Number.isFinite(value) && value > 0) return value;
  throw new ModelkeepError(
    'INVALID_ARTIFACT',
    `config.json: ${field} is ${JSON.stringify(value) ?? 'missing'}, not a number above 0`,
  );
}
