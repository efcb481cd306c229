import { ADAPTER_CONFIG_FILE, ADAPTER_WEIGHTS_FILE, invalidKey, MERGE_IT, unsupportedKey } from './refusal.js';
import { ModelkeepError } from '../../core/index.js';
import { ModulePattern } from './module-pattern.js';
import { entriesOf, finite, flagOf, numberOf, rankOf, type Fields } from './settings.js';

/** Numbers of the layers whose names match. */
interface Numbered {
  readonly key: string;
  readonly value: number;
  /** As releases of peft from 0.15 on match: the whole last part of the name, or all of it. */
  readonly matches: (module: string) => boolean;
  /** As releases before match: a name with a dot before what the pattern says. */
  readonly matchedEarly: (module: string) => boolean;
}

/** A pattern of plain names, in which a dot stands for any sign: most are such, and EVA writes one for each layer. */
const PLAIN = /^\w[\w.]*$/;

/** True if a name is, by whole parts, what a plain pattern says, or ends with it. */
function endsPlainly(module: string, pattern: string): boolean {
  const start = module.length - pattern.length;
  if (start < 0 || (start > 0 && module[start - 1] !== '.')) return false;
  for (let at = 0; at < pattern.length; at++)
    if (pattern[at] !== '.' && pattern[at] !== module[start + at]) return false;
  return true;
}

function patternsOf(
  fields: Fields,
  setting: string,
  read: (key: string, value: unknown) => number,
): readonly Numbered[] {
  return entriesOf(fields, setting).map(([key, found]) => {
    const value = read(`${setting}.${key}`, found);
    if (PLAIN.test(key)) {
      const isEnd = (module: string): boolean => endsPlainly(module, key);
      return { key, value, matches: isEnd, matchedEarly: (module) => module.length > key.length && isEnd(module) };
    }
    const whole = ModulePattern.read(`(.*\\.)?(${key})$`);
    const early = ModulePattern.read(`.*\\.${key}$`);
    if (whole === undefined || early === undefined) {
      throw unsupportedKey(
        setting,
        { [key]: found },
        'this regular expression looks ahead or back, refers to itself, or is none, and modelkeep does not read such',
        `Name the layers plainly, such as "attention.self.query". ${MERGE_IT}, if it is meant`,
      );
    }
    return { key, value, matches: (module) => whole.matches(module), matchedEarly: (module) => early.matches(module) };
  });
}

/** A rank and an alpha. */
interface Choice {
  readonly rank: number;
  readonly alpha: number;
}

/** The factor of B · A for a layer. */
export type ScaleOf = (module: string, rank: number) => number;

/**
 * How strongly pairs are added, as peft computes it: alpha by the rank, or by its root.
 *
 * @throws ModelkeepError `INVALID_ARTIFACT` for settings that are no numbers, `UNSUPPORTED_FORMAT` for patterns that are
 * not read; when it is called: for a rank that the settings do not give, and where releases of peft differ
 */
export function scaleOf(fields: Fields, method: string): ScaleOf {
  if (method === 'ADALORA') return adaptiveScaleOf(fields);
  const rank = rankOf('r', fields['r'] ?? 8);
  const alpha = numberOf(fields, 'lora_alpha', 8);
  const ranks = patternsOf(fields, 'rank_pattern', rankOf);
  const alphas = patternsOf(fields, 'alpha_pattern', finite);
  const byRoot = flagOf(fields, 'use_rslora');
  // Releases that write which they are match in one way; of all others it cannot be told.
  const isRecent = typeof fields['peft_version'] === 'string';
  const inFull = (module: string): Choice => ({
    rank: ranks.find((one) => one.matches(module))?.value ?? rank,
    alpha: alphas.find((one) => one.matches(module))?.value ?? alpha,
  });
  const early = (module: string): Choice => {
    const found = [...ranks, ...alphas].find((one) => one.matchedEarly(module))?.key ?? module;
    const of = (patterns: readonly Numbered[]): number | undefined => patterns.find(({ key }) => key === found)?.value;
    return { rank: of(ranks) ?? rank, alpha: of(alphas) ?? alpha };
  };
  return (module, found) => {
    const choices = [inFull(module), ...(isRecent ? [] : [early(module)])];
    const fitting = choices.filter((choice) => choice.rank === found);
    const [first, second = first] = fitting;
    if (first === undefined) throw otherRank(fields, module, { found, wanted: choices[0]?.rank ?? rank });
    if (first.alpha !== second?.alpha) {
      throw unsupportedKey(
        'alpha_pattern',
        fields['alpha_pattern'],
        `releases of peft give "${module}" the alpha ${first.alpha} or ${second?.alpha}, and the file has no peft_version`,
      );
    }
    return first.alpha / (byRoot ? Math.sqrt(found) : found);
  };
}

/** AdaLoRA divides by the rank that it began with, whatever is left of it. */
function adaptiveScaleOf(fields: Fields): ScaleOf {
  const began = rankOf('init_r', fields['init_r'] ?? 12);
  const alpha = numberOf(fields, 'lora_alpha', 8);
  if (alpha <= 0) throw invalidKey('lora_alpha', alpha, 'above 0');
  const left = new Map(entriesOf(fields, 'rank_pattern'));
  return (module, found) => {
    const kept = left.get(`${module}.lora_E`) ?? left.get(`${module}.lora_E.default`);
    const rank = Array.isArray(kept) ? kept.filter((isKept) => isKept === true).length : began;
    if (found === rank) return alpha / (began + 1e-5);
    const key = kept === undefined ? 'init_r' : 'rank_pattern';
    const wanted = `one that with rank_pattern gives "${module}" the rank ${found}, which ${ADAPTER_WEIGHTS_FILE} has`;
    throw invalidKey(key, key === 'init_r' ? began : kept, wanted);
  };
}

function otherRank(
  fields: Fields,
  module: string,
  of: { readonly found: number; readonly wanted: number },
): ModelkeepError {
  const key = Object.keys(fields['rank_pattern'] ?? {}).length > 0 ? 'r and rank_pattern give' : 'r gives';
  return new ModelkeepError(
    'INVALID_ARTIFACT',
    `${ADAPTER_CONFIG_FILE}: ${key} "${module}" the rank ${of.wanted}, but ${ADAPTER_WEIGHTS_FILE} has a pair of the rank ` +
      `${of.found} for it. Save the adapter again`,
  );
}
