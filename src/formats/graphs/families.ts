import { ModelkeepError } from '../../core/index.js';
import { albert } from './albert.js';
import { bert } from './bert.js';
import { camembert } from './camembert.js';
import { ModelConfig } from './config.js';
import { debertaV2 } from './deberta-v2.js';
import { distilbert } from './distilbert.js';
import { electra } from './electra.js';
import type { Family } from './family.js';
import { modernbert } from './modernbert.js';
import { mpnet } from './mpnet.js';
import { roberta } from './roberta.js';
import { before, trainedName } from './tensor-names.js';
import { xlmRoberta } from './xlm-roberta.js';

/** Families by `model_type` of config.json: those whose graphs were compared with the reference implementation. */
export const FAMILIES: Readonly<Record<string, Family>> = {
  albert,
  bert,
  camembert,
  'deberta-v2': debertaV2,
  distilbert,
  electra,
  modernbert,
  mpnet,
  roberta,
  'xlm-roberta': xlmRoberta,
};

/** A checkpoint's family, and what is odd about how it was found. */
export interface KnownFamily {
  /** Its key among the families, such as `bert`. */
  readonly type: string;
  readonly family: Family;
  readonly notes: readonly string[];
}

/** @throws ModelkeepError `UNSUPPORTED_FORMAT` with the list of what is supported */
export function unsupported(what: string, supported: readonly string[]): ModelkeepError {
  return new ModelkeepError('UNSUPPORTED_FORMAT', `${what} is not supported; supported: ${supported.join(', ')}`);
}

/** The family that `model_type` names exactly. */
export function knownFamily(type: unknown): KnownFamily | undefined {
  return typeof type === 'string' ? known(type) : undefined;
}

function known(type: string, ...notes: readonly string[]): KnownFamily | undefined {
  const family = Object.hasOwn(FAMILIES, type) ? FAMILIES[type] : undefined;
  return family && { type, family, notes };
}

const TYPES = Object.keys(FAMILIES);

/** Letters and digits alone: `XLM_RoBERTa` and `xlm-roberta` are one name. */
function plainly(name: string): string {
  return name.toLowerCase().replaceAll(/[^a-z0-9]/g, '');
}

/** The family whose class names begin a name of `architectures`, if one of transformers' own classes is meant. */
function typeOfClass(architecture: unknown): string | undefined {
  if (typeof architecture !== 'string') return undefined;
  return TYPES.find((type) => {
    const rest = architecture.startsWith(FAMILIES[type]?.className ?? ' ')
      ? architecture.slice(FAMILIES[type]?.className.length)
      : '';
    return /^(?:Model$|For[A-Z]|LMHeadModel$)/.test(rest);
  });
}

/** Families that have the network of these tensors, by the name of a tensor of the first layer and what is before it. */
function typesOfTensors(names: Iterable<string>): readonly string[] {
  const found = new Set<string>();
  for (const name of names) {
    for (const type of TYPES) {
      const { names: own } = FAMILIES[type] ?? bert;
      const start = before(trainedName(name), own.mark);
      if (start === undefined) continue;
      if (start === '' || before(start.slice(0, -1), own.prefix.slice(0, -1)) !== undefined) found.add(type);
    }
  }
  // These three are one network with one way to name it.
  if (found.has('roberta')) for (const other of ['camembert', 'xlm-roberta']) found.delete(other);
  return [...found];
}

/**
 * A checkpoint's family: by `model_type` of config.json; where that is missing, by the class that `architectures` names
 * and the names of the tensors, if they leave no doubt.
 *
 * @param names of the tensors as the file has them
 * @throws ModelkeepError `UNSUPPORTED_FORMAT` for another family, or if it cannot be told
 */
export function familyOf(config: Readonly<Record<string, unknown>>, names: Iterable<string>): KnownFamily {
  const type = config['model_type'] ?? undefined;
  if (config['auto_map'] !== undefined) throw unsupported('config.json: auto_map (custom code)', TYPES);
  if (typeof type === 'string' && type !== '') return familyNamed(type, names);
  if (type !== undefined && type !== '') throw unsupported(`config.json: model_type ${JSON.stringify(type)}`, TYPES);
  const candidates = typesOfTensors(names);
  const [named] = Array.isArray(config['architectures']) ? (config['architectures'] as readonly unknown[]) : [];
  const ofClass = typeOfClass(named);
  const sameNetwork = (one: string): boolean =>
    candidates.some((each) => FAMILIES[each]?.names === FAMILIES[one]?.names);
  const chosen =
    ofClass !== undefined && sameNetwork(ofClass) ? ofClass : ofClass === undefined ? candidates[0] : undefined;
  const found = chosen === undefined || (ofClass === undefined && candidates.length > 1) ? undefined : known(chosen);
  if (found !== undefined) {
    return { ...found, notes: [`config.json has no model_type: its tensors are those of ${found.type}`] };
  }
  const seen = candidates.length === 0 ? 'none that is known' : candidates.join(' or ');
  throw new ModelkeepError(
    'UNSUPPORTED_FORMAT',
    `config.json has no model_type, architectures is ${JSON.stringify(config['architectures']) ?? 'missing'}, and by its ` +
      `tensors the family is ${seen}. Write model_type into config.json; supported: ${TYPES.join(', ')}`,
  );
}

function familyNamed(type: string, names: Iterable<string>): KnownFamily {
  const exact = known(type);
  if (exact !== undefined) return exact;
  const meant = TYPES.find((one) => plainly(one) === plainly(type));
  const found =
    meant === undefined ? undefined : known(meant, `config.json: model_type "${type}" is taken for "${meant}"`);
  if (found !== undefined) return found;
  const seen = typesOfTensors(names);
  const hint = seen.length === 0 ? '' : ` (its tensors are named as those of ${seen.join(' or ')})`;
  throw unsupported(`config.json: model_type ${JSON.stringify(type)}${hint}`, TYPES);
}

/** The fields of config.json as the family's configuration reads them. */
export function configOf(found: KnownFamily, fields: Readonly<Record<string, unknown>>): ModelConfig {
  return new ModelConfig(fieldsOf(found, fields));
}

/** The fields of config.json, with the family's names and defaults for those that are missing. */
export function fieldsOf(
  { family }: KnownFamily,
  fields: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> {
  const aliased = Object.entries(family.aliases ?? {}).flatMap(([other, own]) =>
    fields[other] === undefined ? [] : [[own, fields[other]] as const],
  );
  return { ...family.defaults, ...Object.fromEntries(aliased), ...fields };
}
