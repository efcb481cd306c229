import { ModelkeepError } from '../../../core/index.js';
import type { JsonObject } from '../../json-file.js';
import { SPECIAL_NAMES, type SpecialName } from '../resolved.js';
import { addedToken, includesToken, textOf, type AddedToken, type Token, type TokenMarks } from './added-tokens.js';
import { invalidValue, isObject } from './sources.js';

const CONFIG = 'tokenizer_config.json';
const SPECIAL_MAP = 'special_tokens_map.json';
const ADDED = 'added_tokens.json';

/** The small files of a tokenizer; each is absent if the version does not have it. */
export interface SettingsFiles {
  readonly config?: JsonObject | undefined;
  readonly specialMap?: JsonObject | undefined;
  readonly added?: JsonObject | undefined;
  /** `added_tokens` of tokenizer.json. */
  readonly jsonAdded?: readonly unknown[] | undefined;
}

/** The settings of a tokenizer, as its class gets them. */
export interface Settings {
  /** What tokenizer_config.json has, by key; special tokens apart. */
  readonly values: JsonObject;
  /** Special tokens by name; null: there is to be none; absent: the class decides. */
  readonly special: Map<SpecialName, Token | null>;
  /** Further special tokens; null: none; absent: the class decides. */
  readonly additional?: readonly Token[] | null | undefined;
  /** Tokens that were added, with the ids that the files give them, in the order of their ids. */
  readonly declared: readonly (readonly [number, AddedToken])[];
}

/** Most tokens that may be added to a vocabulary. */
const MAX_ADDED = 1_000_000;

function flagOf(path: string, key: string, token: JsonObject, name: keyof TokenMarks): boolean | undefined {
  const value = token[name];
  if (value === undefined || typeof value === 'boolean') return value;
  throw invalidValue(path, `${key}.${name}`, value, 'it must be true or false');
}

/** Reads an added token. @throws ModelkeepError `INVALID_ARTIFACT` */
export function readToken(path: string, key: string, value: unknown, marks: TokenMarks = {}): AddedToken {
  const content = isObject(value) ? value['content'] : undefined;
  if (!isObject(value) || typeof content !== 'string') {
    throw invalidValue(
      path,
      key,
      value,
      'a token must be an object with its text as content. Save the tokenizer again',
    );
  }
  const mark = (name: keyof TokenMarks): boolean | undefined => flagOf(path, key, value, name);
  return {
    content,
    single_word: mark('single_word') ?? false,
    lstrip: mark('lstrip') ?? false,
    rstrip: mark('rstrip') ?? false,
    normalized: mark('normalized'),
    special: mark('special') ?? false,
    ...marks,
  };
}

function readSpecial(path: string, key: string, value: unknown, marks: TokenMarks = {}): Token {
  return typeof value === 'string' ? value : readToken(path, key, value, marks);
}

function readList(path: string, key: string, value: unknown, marks: TokenMarks = {}): Token[] {
  const list = isObject(value) ? Object.values(value) : value;
  if (!Array.isArray(list)) throw invalidValue(path, key, value, 'it must be a list of tokens');
  return list.map((each: unknown, i) => readSpecial(path, `${key}[${i}]`, each, marks));
}

/** An id that a file gives a token. @throws ModelkeepError `INVALID_ARTIFACT` */
export function readId(path: string, key: string, value: unknown): number {
  const id = typeof value === 'string' && /^\d{1,10}$/.test(value) ? Number(value) : value;
  if (typeof id === 'number' && Number.isSafeInteger(id) && id >= 0) return id;
  throw invalidValue(path, key, value, 'it must be the id of a token. Save the tokenizer again');
}

const keyOf = (name: SpecialName): string => `${name}_token`;

/** The settings while the files are put together. */
class Merged {
  readonly special = new Map<SpecialName, Token | null>();
  additional: Token[] | null | undefined;
  readonly declared = new Map<number, AddedToken>();
  /** What added tokens say about special tokens with the same text; those of added_tokens.json have no marks to say. */
  readonly byText = new Map<string, AddedToken>();

  declare(path: string, key: string, id: number, token: AddedToken): void {
    this.declared.set(id, token);
    if (this.declared.size <= MAX_ADDED) return;
    throw new ModelkeepError('INVALID_ARTIFACT', `${path}: ${key} has more than ${MAX_ADDED} tokens`);
  }

  /** Special tokens of tokenizer_config.json. */
  fromConfig(config: JsonObject): void {
    for (const name of SPECIAL_NAMES) {
      const value = config[keyOf(name)];
      if (value !== undefined) this.special.set(name, value === null ? null : readSpecial(CONFIG, keyOf(name), value));
    }
    const key = 'additional_special_tokens';
    const value = config[key];
    if (value !== undefined) this.additional = value === null ? null : readList(CONFIG, key, value);
    // Later versions of transformers call them so; some keep an empty list under the older name.
    const extra = config['extra_special_tokens'];
    if (extra !== undefined && extra !== null) this.append(readList(CONFIG, 'extra_special_tokens', extra));
  }

  append(tokens: readonly Token[]): void {
    const all = [...(this.additional ?? [])];
    for (const token of tokens) if (!includesToken(all, token)) all.push(token);
    if (tokens.length > 0 || Array.isArray(this.additional)) this.additional = all;
  }

  /** special_tokens_map.json, which wins over tokenizer_config.json in files of before transformers 4.34. */
  fromSpecialMap(map: JsonObject): void {
    for (const name of SPECIAL_NAMES) {
      const value = map[keyOf(name)];
      if (value === undefined) continue;
      this.special.set(name, value === null ? null : readSpecial(SPECIAL_MAP, keyOf(name), value, { special: true }));
    }
    for (const key of ['additional_special_tokens', 'extra_special_tokens']) {
      const value = map[key];
      if (value !== undefined && value !== null) this.append(readList(SPECIAL_MAP, key, value, { special: true }));
    }
  }

  fromAddedTokens(added: JsonObject): void {
    const special = new Set(
      [...this.special.values(), ...(this.additional ?? [])].flatMap((token) => (token === null ? [] : textOf(token))),
    );
    for (const [content, value] of Object.entries(added)) {
      const isSpecial = special.has(content);
      this.declare(
        ADDED,
        content,
        readId(ADDED, JSON.stringify(content), value),
        addedToken(content, { normalized: !isSpecial, special: isSpecial }),
      );
    }
  }
}

/**
 * Puts the settings of a tokenizer together, as `_from_pretrained` of transformers does: `added_tokens_decoder` of
 * tokenizer_config.json says all about added tokens; only without it are special_tokens_map.json, added_tokens.json and
 * the added tokens of tokenizer.json looked at.
 *
 * @throws ModelkeepError `INVALID_ARTIFACT` naming file, key and value
 */
export function mergeSettings({ config = {}, specialMap, added, jsonAdded }: SettingsFiles): Settings {
  const merged = new Merged();
  merged.fromConfig(config);
  const decoder = config['added_tokens_decoder'];
  if (decoder !== undefined && decoder !== null) {
    if (!isObject(decoder))
      throw invalidValue(CONFIG, 'added_tokens_decoder', decoder, 'it must be an object of tokens by id');
    for (const [id, token] of Object.entries(decoder)) {
      const key = `added_tokens_decoder.${id}`;
      const read = readToken(CONFIG, key, token);
      merged.declare(CONFIG, key, readId(CONFIG, 'a key of added_tokens_decoder', id), read);
      merged.byText.set(read.content, read);
    }
  } else {
    if (specialMap !== undefined) merged.fromSpecialMap(specialMap);
    if (added !== undefined) merged.fromAddedTokens(added);
    (jsonAdded ?? []).forEach((value, i) => {
      const key = `added_tokens[${i}]`;
      const id = isObject(value) ? value['id'] : undefined;
      const token = readToken('tokenizer.json', key, value);
      merged.declare('tokenizer.json', key, readId('tokenizer.json', `${key}.id`, id), token);
      merged.byText.set(token.content, token);
    });
  }
  // What is said about a token where tokens are added is said about it as a special token.
  for (const [name, token] of merged.special) {
    if (token !== null) merged.special.set(name, merged.byText.get(textOf(token)) ?? token);
  }
  return {
    values: config,
    special: merged.special,
    additional: merged.additional,
    declared: [...merged.declared].toSorted(([a], [b]) => a - b),
  };
}

/** A setting that is true or false. @throws ModelkeepError `INVALID_ARTIFACT` if it is something else */
export function flag({ values }: Settings, key: string, fallback: boolean): boolean {
  const value = values[key];
  if (value === undefined) return fallback;
  if (typeof value === 'boolean') return value;
  throw invalidValue(CONFIG, key, value, 'it must be true or false');
}

/** A setting that is true, false or null. @throws ModelkeepError `INVALID_ARTIFACT` if it is something else */
export function flagOrNull(settings: Settings, key: string): boolean | null {
  return settings.values[key] === null ? null : settings.values[key] === undefined ? null : flag(settings, key, false);
}

/** A setting that names a side. @throws ModelkeepError `INVALID_ARTIFACT` if it is something else */
export function side({ values }: Settings, key: string, fallback: 'left' | 'right'): 'left' | 'right' {
  const value = values[key];
  if (value === undefined) return fallback;
  if (value === 'left' || value === 'right') return value;
  throw invalidValue(CONFIG, key, value, 'it must be "left" or "right"');
}

/** transformers' value for "no limit" is 10^30; whatever is as large means the same. */
const NO_LIMIT = 1e12;

/** The limit of a sequence in tokens. @throws ModelkeepError `INVALID_ARTIFACT` if it is no number of tokens */
export function maxTokens({ values }: Settings): number {
  const key = values['model_max_length'] === undefined ? 'max_len' : 'model_max_length';
  const value = values[key];
  if (value === undefined || value === null) return Number.POSITIVE_INFINITY;
  if (typeof value !== 'number' || !(value >= 1) || (value < NO_LIMIT && !Number.isInteger(value))) {
    throw invalidValue(CONFIG, key, value, 'it must be a number of tokens');
  }
  return value >= NO_LIMIT ? Number.POSITIVE_INFINITY : value;
}
