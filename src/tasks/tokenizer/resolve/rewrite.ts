import type { JsonObject } from '../../json-file.js';
import type { Obeys } from './classes.js';
import { flag, flagOrNull, type Settings } from './settings.js';
import { invalidValue, isObject } from './sources.js';

/** The parts of a tokenizer.json that settings may change. */
export interface Rewritable {
  readonly normalizer: unknown;
  readonly preTokenizer: unknown;
  readonly postProcessor: unknown;
}

/** A part with other settings. Only settings that it has are compared; if one differs, all of them are set. */
function withSettings(part: JsonObject, settings: JsonObject): JsonObject {
  const differs = Object.entries(settings).some(([key, value]) => part[key] !== undefined && part[key] !== value);
  return differs ? { ...part, ...settings } : part;
}

function required(part: unknown, key: string, className: string): JsonObject {
  if (isObject(part)) return part;
  throw invalidValue(
    'tokenizer.json',
    key,
    part,
    `${className} cannot be made without it. If the file is right as it is, set tokenizer_class in ` +
      'tokenizer_config.json to PreTrainedTokenizerFast',
  );
}

/** The BERT normaliser by its settings. */
function bertNormalizer(part: JsonObject, settings: Settings, withHan: boolean): JsonObject {
  const known = part['type'] === 'BertNormalizer' ? { ...part, strip_accents: part['strip_accents'] ?? null } : part;
  return withSettings(known, {
    lowercase: flag(settings, 'do_lower_case', true),
    strip_accents: flagOrNull(settings, 'strip_accents'),
    ...(withHan ? { handle_chinese_chars: flag(settings, 'tokenize_chinese_chars', true) } : {}),
  });
}

/**
 * Changes the parts of tokenizer.json by the settings of tokenizer_config.json, as the constructor of the class does in
 * transformers 4: a setting that tokenizer_config.json does not have counts with its default.
 *
 * @throws ModelkeepError `INVALID_ARTIFACT` for settings that are not what they must be
 */
export function obey<T extends Rewritable>(parts: T, obeys: Obeys, settings: Settings, className: string): T {
  if (obeys === 'nothing') return parts;
  if (obeys === 'bert' || obeys === 'mpnet') {
    const normalizer = required(parts.normalizer, 'normalizer', className);
    return { ...parts, normalizer: bertNormalizer(normalizer, settings, obeys === 'bert') };
  }
  const addPrefixSpace = flag(settings, 'add_prefix_space', false);
  const pre = required(parts.preTokenizer, 'pre_tokenizer', className);
  const preTokenizer = withSettings(pre, pre['type'] === 'ByteLevel' ? { add_prefix_space: addPrefixSpace } : {});
  const post = parts.postProcessor;
  if (obeys === 'byte-level' || !isObject(post)) return { ...parts, preTokenizer };
  const trimOffsets = flag(settings, 'trim_offsets', true);
  return {
    ...parts,
    preTokenizer,
    postProcessor: withSettings(withSettings(post, { add_prefix_space: addPrefixSpace }), {
      trim_offsets: trimOffsets,
    }),
  };
}
