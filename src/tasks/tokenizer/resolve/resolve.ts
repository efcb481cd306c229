import { ModelkeepError, type VersionFiles } from '../../../core/index.js';
import { readJsonObject } from '../../json-file.js';
import type { ModelConfig } from '../../model-config.js';
import { SPECIAL_NAMES, type ResolvedTokenizer, type SpecialName } from '../resolved.js';
import { addedToken, AddedVocabulary, includesToken, textOf, type Token } from './added-tokens.js';
import { additionalTokens } from './additional-tokens.js';
import { chooseClass } from './choose-class.js';
import { isPlain, PLAIN_CLASS, type SlowClass, type TokenizerClass } from './classes.js';
import { convert } from './convert.js';
import type { Parts } from './parts.js';
import { obey } from './rewrite.js';
import { flag, maxTokens, mergeSettings, side, type Settings } from './settings.js';
import { hasVocabulary, invalidValue, isObject, unsupported } from './sources.js';
import { beyondTable, readParts, sideOf, type TokenizerJson } from './tokenizer-json.js';
import { checkAddedTokens } from './word-piece.js';

const JSON_PATH = 'tokenizer.json';
const CONFIG_PATH = 'tokenizer_config.json';

/** The special tokens with names that a class has after its constructor. */
function namedTokens(
  settings: Settings,
  known: TokenizerClass,
  marks: TokenizerClass['marks'],
): Map<SpecialName, Token> {
  const tokens = new Map<SpecialName, Token>();
  for (const name of SPECIAL_NAMES) {
    const token = settings.special.has(name) ? settings.special.get(name) : known.special[name];
    if (token === undefined || token === null) continue;
    const mark = typeof token === 'string' ? marks[name] : undefined;
    tokens.set(name, mark === undefined ? token : addedToken(textOf(token), mark));
  }
  return tokens;
}

/** Special tokens that a tokenizer.json has which no class is named for: those that nearly all have. */
function usualTokens({ parts }: TokenizerJson): Map<SpecialName, Token> {
  const has = (token: string): boolean => parts.added.some(({ content }) => content === token);
  const usual: readonly (readonly [SpecialName, readonly string[]])[] = [
    ['unk', ['[UNK]', '<unk>']],
    ['sep', ['[SEP]', '</s>']],
    ['pad', ['[PAD]', '<pad>']],
    ['cls', ['[CLS]', '<s>']],
    ['mask', ['[MASK]', '<mask>']],
  ];
  return new Map(
    usual.flatMap(([name, texts]) => {
      const found = texts.find(has);
      return found === undefined ? [] : [[name, found] as const];
    }),
  );
}

/** What is put together into the tokenizer. */
interface Ingredients {
  readonly source: string;
  readonly parts: Parts;
  readonly settings: Settings;
  readonly named: ReadonlyMap<SpecialName, Token>;
  readonly additional: readonly Token[];
  /** Whether tokens must have the ids that settings declare, as those of a slow tokenizer have. */
  readonly keepsIds: boolean;
  /** Rows of the embedding table; undefined where config.json does not say. */
  readonly rows: number | undefined;
}

/**
 * Adds the tokens of the settings to the vocabulary, in the order in which `PreTrainedTokenizerFast` does.
 *
 * @throws ModelkeepError `INVALID_ARTIFACT` for a token whose id the model does not have
 */
function addTokens(
  { source, parts, settings, named, additional, keepsIds, rows }: Ingredients,
  warnings: string[],
): AddedVocabulary {
  const vocabulary = new AddedVocabulary(parts.vocabulary);
  const special: Token[] = [];
  const texts = new Set<string>();
  for (const token of named.values()) {
    if (!texts.has(textOf(token))) special.push(token);
    texts.add(textOf(token));
  }
  // Of further tokens with the same text, the last one's marks count.
  special.push(...additional.filter((token) => !texts.has(textOf(token))));
  for (const token of additional) texts.add(textOf(token));
  for (const token of parts.added) check(vocabulary.add(token), token.content);
  const wanted: Token[] = settings.declared.map(([, token]) => token);
  const present = new Set(wanted.map(textOf));
  for (const token of special) {
    const isPresent = typeof token === 'string' && (vocabulary.hasText(token) || present.has(token));
    if (!isPresent && !includesToken(wanted, token)) wanted.push(token);
  }
  const declaredIds = new Map(settings.declared.map(([id, { content }]) => [content, id]));
  const further = new Set(additional.map(textOf));
  for (const token of wanted) {
    const content = textOf(token);
    const marked = typeof token === 'string' ? addedToken(token) : token;
    const isDefault = !declaredIds.has(content) && !further.has(content);
    if (isDefault && rows !== undefined && vocabulary.idOf(content) === undefined && vocabulary.next >= rows) {
      warnings.push(`The tokenizer has the token ${JSON.stringify(content)}, which the model has no embedding for`);
      continue;
    }
    const id = vocabulary.add({ ...marked, special: marked.special || texts.has(content) });
    check(id, content);
    const declared = declaredIds.get(content);
    if (declared !== undefined && id !== undefined && declared !== id) {
      if (keepsIds) throw otherId(content, declared, source, id);
      warnings.push(
        `The token ${JSON.stringify(content)} is declared with the id ${declared}, but transformers gives it ${id}, ` +
          'and so does modelkeep',
      );
    }
  }
  return vocabulary;

  function check(id: number | undefined, content: string): void {
    if (id !== undefined && rows !== undefined && id >= rows) throw beyondTable(source, content, id, rows);
  }
}

function otherId(token: string, declared: number | undefined, source: string, id: number | undefined): ModelkeepError {
  return new ModelkeepError(
    'INVALID_ARTIFACT',
    `${CONFIG_PATH}: added_tokens_decoder gives ${JSON.stringify(token)} the id ${declared}, with ${source} it gets ` +
      `${id}. Save the tokenizer again`,
  );
}

/** Whether a model can say "unknown" at all. @throws ModelkeepError `INVALID_ARTIFACT` if it could not, at a request */
function checkUnknown(source: string, { model, vocabulary }: Parts): void {
  const { type, unk_token: token, unk_id: id } = model;
  if (type === 'Unigram') {
    if (id === null || id === undefined || (typeof id === 'number' && id >= 0 && id < vocabulary.size)) return;
    throw invalidValue(source, 'the id of the unknown token', id, `the vocabulary has ${vocabulary.size} tokens`);
  }
  if (typeof token !== 'string' || vocabulary.idOf(token) !== undefined) return;
  throw new ModelkeepError(
    'INVALID_ARTIFACT',
    `${source} has no ${JSON.stringify(token)}, which stands for unknown words (unk_token). Save the tokenizer again`,
  );
}

/**
 * Resolves the files of a version into its tokenizer, as `AutoTokenizer.from_pretrained` of transformers 4 does.
 *
 * @returns undefined if the version has no vocabulary
 * @throws ModelkeepError `INVALID_ARTIFACT` for damaged files, `UNSUPPORTED_FORMAT` for a tokenizer that is not known
 */
export async function resolveTokenizer(
  files: VersionFiles,
  model: ModelConfig | undefined,
): Promise<ResolvedTokenizer | undefined> {
  if (!hasVocabulary(files)) return undefined;
  const config = (await readJsonObject(files, CONFIG_PATH)) ?? {};
  const { name, known, warnings } = chooseClass(files, config, model);
  const specialMap = await readJsonObject(files, 'special_tokens_map.json');
  const added = await readJsonObject(files, 'added_tokens.json');
  const slow = known.slow;
  const hasJson = files.size(JSON_PATH) !== undefined;
  // Of a class without a fast form, the added tokens of tokenizer.json count all the same.
  const whole = hasJson ? await readParts(files) : undefined;
  const fast = known.slowOnly ? undefined : whole;
  const settings = mergeSettings({ config, specialMap, added, jsonAdded: whole?.added });
  const json = wantsSlow(settings, known) && isConvertible(files, name, known) ? undefined : fast;
  if (flag(settings, 'split_special_tokens', false)) {
    throw invalidValue(CONFIG_PATH, 'split_special_tokens', true, 'it is not served. Set it to false');
  }
  const isUnnamed = json !== undefined && Object.keys(config).length === 0 && isPlain(name);
  const padToken = json?.padding?.['pad_token'];
  if (typeof padToken === 'string' && known.special.pad === undefined && !settings.special.has('pad')) {
    settings.special.set('pad', padToken);
  }
  const named = namedTokens(settings, known, json === undefined ? (slow?.marks ?? {}) : known.marks);
  if (isUnnamed) for (const [key, token] of usualTokens(json)) if (!named.has(key)) named.set(key, token);
  const source = json === undefined ? sourceOf(files, name, slow) : JSON_PATH;
  const parts =
    json?.parts ??
    (await convert(slowOf(name, slow).conversion, { files, paths: slow?.files ?? [], settings, special: named }));
  const additional = additionalTokens(known, settings);
  const found = [...warnings];
  const vocabulary = addTokens(
    { source, parts, settings, named, additional, keepsIds: known.slowOnly === true, rows: model?.vocabularySize },
    found,
  );
  checkUnknown(source, parts);
  if (known.slowOnly) checkAddedTokens(vocabulary.list(), settings);
  const declaredIds = new Map(settings.declared.map(([id, { content }]) => [content, id]));
  const idOf = (token: string): number => {
    const id = vocabulary.idOf(token);
    const declared = declaredIds.get(token) ?? id;
    if (declared !== id) {
      throw otherId(token, declared, source, id);
    }
    if (id !== undefined) return id;
    throw new ModelkeepError(
      'INVALID_ARTIFACT',
      `${source} has no ${JSON.stringify(token)}, which the tokenizer puts around texts. Save the tokenizer again`,
    );
  };
  const rewritten = obey({ ...parts, postProcessor: parts.postProcessor(idOf) }, known.obeys, settings, name);
  const prefix = parts.model['continuing_subword_prefix'];
  return {
    json: JSON.stringify({
      version: '1.0',
      truncation: null,
      padding: null,
      added_tokens: vocabulary.list(),
      normalizer: rewritten.normalizer,
      pre_tokenizer: rewritten.preTokenizer,
      post_processor: rewritten.postProcessor,
      decoder: parts.decoder,
      model: parts.model,
    }),
    className: name,
    source,
    special: Object.fromEntries(
      [...named].flatMap(([key, token]) =>
        vocabulary.idOf(textOf(token)) === undefined ? [] : [[key, textOf(token)]],
      ),
    ),
    maxTokens: maxTokens(settings),
    truncationSide: side(settings, 'truncation_side', sideOf(json?.truncation)),
    paddingSide: side(
      settings,
      'padding_side',
      json?.padding === undefined ? (known.paddingSide ?? 'right') : sideOf(json.padding),
    ),
    inputNames: inputNames(settings, known),
    subwordPrefix: typeof prefix === 'string' && prefix !== '' ? prefix : undefined,
    splitsHan: isObject(rewritten.normalizer) && rewritten.normalizer['handle_chinese_chars'] === true,
    cleanUpSpaces: flag(settings, 'clean_up_tokenization_spaces', json === undefined && slow?.cleanUp === true),
    warnings: found,
  };
}

/** Whether the files of a slow tokenizer are to be preferred to tokenizer.json. */
function wantsSlow(settings: Settings, known: TokenizerClass): boolean {
  if (flag(settings, 'from_slow', false)) return true;
  return known.slowByPrefixSpace === true && (settings.values['add_prefix_space'] ?? null) !== null;
}

/**
 * Whether the files of a slow tokenizer are there.
 *
 * @throws ModelkeepError `INVALID_ARTIFACT` for a class that has such files, but not known here
 */
function isConvertible(files: VersionFiles, name: string, { slow, slowByPrefixSpace }: TokenizerClass): boolean {
  if (slow !== undefined) return slow.files.every((path) => files.size(path) !== undefined);
  if (isPlain(name)) return false;
  const keys = slowByPrefixSpace ? 'from_slow or add_prefix_space' : 'from_slow';
  throw new ModelkeepError(
    'INVALID_ARTIFACT',
    `${CONFIG_PATH}: ${keys} asks for the files of a slow ${name}, which are not read. Take it out, so that ` +
      `${JSON_PATH} is read`,
  );
}

function slowOf(name: string, slow: SlowClass | undefined): SlowClass {
  if (slow !== undefined) return slow;
  const shownName = isPlain(name) ? PLAIN_CLASS : name;
  throw unsupported(
    `The tokenizer is a ${shownName}, which is read from tokenizer.json, and there is none. Save the fast tokenizer ` +
      'with the model: AutoTokenizer.from_pretrained(...).save_pretrained(directory)',
  );
}

/** The file of a slow tokenizer's vocabulary. @throws ModelkeepError `UNSUPPORTED_FORMAT` if one of its files is missing */
function sourceOf(files: VersionFiles, name: string, slow: SlowClass | undefined): string {
  const needed = slowOf(name, slow).files;
  const missing = needed.filter((path) => files.size(path) === undefined);
  const [first = ''] = needed;
  if (missing.length === 0) return first;
  const alternative = slow?.conversion === 'bert-japanese' ? '' : ', or a tokenizer.json';
  throw unsupported(
    `The tokenizer is a ${name}, which is read from ${needed.join(' and ')}; there is no ${missing.join(' and no ')}. ` +
      `Publish it with the model${alternative}`,
  );
}

function inputNames({ values }: Settings, known: TokenizerClass): readonly string[] {
  const names = values['model_input_names'];
  // transformers 5 writes `backend`, older releases do not.
  if (names === undefined) return values['backend'] === undefined ? known.inputs : (known.inputsOf5 ?? known.inputs);
  if (Array.isArray(names) && names.every((each) => typeof each === 'string')) return names;
  throw invalidValue(CONFIG_PATH, 'model_input_names', names, 'it must be a list of names');
}
