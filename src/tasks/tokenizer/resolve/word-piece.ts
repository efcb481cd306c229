import type { JsonObject } from '../../json-file.js';
import type { AddedToken } from './added-tokens.js';
import { mapVocabulary, preSequence, replacePattern, sequence, template, type PairForm, type Parts } from './parts.js';
import { flag, flagOrNull, type Settings } from './settings.js';
import { invalidValue, unsupported } from './sources.js';

/** Special tokens by their texts, as a conversion needs them. */
export interface SpecialTexts {
  readonly unk: string;
  readonly cls: string;
  readonly sep: string;
}

/** Ids by token of a vocab.txt: one token a line, its number is its id, the last of equal lines counts. */
export function readVocabulary(text: string): ReadonlyMap<string, number> {
  const lines = text.split('\n');
  if (lines.at(-1) === '') lines.pop();
  return new Map(lines.map((token, id) => [token, id]));
}

/** Marks at which words are cut apart: control characters go, all white space becomes plain spaces. */
const CLEAN: JsonObject = Object.freeze({
  type: 'BertNormalizer',
  clean_text: true,
  handle_chinese_chars: false,
  strip_accents: false,
  lowercase: false,
});

const MAX_WORD = 100;

function wordPiece(ids: ReadonlyMap<string, number>, unk: string): JsonObject {
  return {
    type: 'WordPiece',
    unk_token: unk,
    continuing_subword_prefix: '##',
    max_input_chars_per_word: MAX_WORD,
    vocab: Object.fromEntries(ids),
  };
}

/** A WordPiece tokenizer from vocab.txt, as `BertConverter` and `MPNetConverter` of transformers make it. */
export function convertWordPiece(
  ids: ReadonlyMap<string, number>,
  settings: Settings,
  { unk, cls, sep }: SpecialTexts,
  form: PairForm,
): Parts {
  return {
    model: wordPiece(ids, unk),
    vocabulary: mapVocabulary(ids),
    normalizer: {
      type: 'BertNormalizer',
      clean_text: true,
      handle_chinese_chars: flag(settings, 'tokenize_chinese_chars', true),
      strip_accents: flagOrNull(settings, 'strip_accents'),
      lowercase: flag(settings, 'do_lower_case', true),
    },
    preTokenizer: { type: 'BertPreTokenizer' },
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
    postProcessor: (idOf) => template([cls, idOf(cls)], [sep, idOf(sep)], form),
    added: [],
  };
}

/** A private-use character: cleaning takes it out of every text, so it can stand for the end of a word. */
const END_OF_WORD = '\uE000';

const CONFIG = 'tokenizer_config.json';

function choice(settings: Settings, key: string, fallback: string, known: readonly string[], next: string): string {
  const value = settings.values[key] ?? fallback;
  if (known.some((one) => one === value)) return value as string;
  throw unsupported(
    `${CONFIG}: ${key} of BertJapaneseTokenizer is ${JSON.stringify(value)}, which is not served ` +
      `(${known.join(' and ')} are); ${next}`,
  );
}

/** What is odd about an added token, so that a slow tokenizer may find it elsewhere than the Rust library. */
function oddity(token: AddedToken, lower: boolean): string | undefined {
  if (!token.special) return 'is not special';
  const mark = (['single_word', 'lstrip', 'rstrip', 'normalized'] as const).find((one) => token[one] === true);
  if (mark !== undefined) return `has ${mark}`;
  // Texts are lowered before tokens are searched in them, so that this one is met where it was written otherwise.
  return lower && token.content === token.content.toLowerCase() ? 'has no capital letter' : undefined;
}

/**
 * Refuses added tokens of a slow tokenizer, but for plain special ones.
 *
 * @throws ModelkeepError `UNSUPPORTED_FORMAT`
 */
export function checkAddedTokens(tokens: readonly AddedToken[], settings: Settings): void {
  const lower = flag(settings, 'do_lower_case', false);
  for (const token of tokens) {
    const odd = oddity(token, lower);
    if (odd === undefined) continue;
    throw unsupported(
      `The added token ${JSON.stringify(token.content)} of a BertJapaneseTokenizer ${odd}, which is not served; ask ` +
        'for tensors, or take it out of the added tokens',
    );
  }
}

/**
 * A `BertJapaneseTokenizer` whose words are found by white space and punctuation. Those that need MeCab, Sudachi or
 * Juman++ to find words are refused: their dictionaries decide the ids.
 *
 * @throws ModelkeepError `UNSUPPORTED_FORMAT`
 */
export function convertJapanese(
  ids: ReadonlyMap<string, number>,
  settings: Settings,
  { unk, cls, sep }: SpecialTexts,
): Parts {
  const words = flag(settings, 'do_word_tokenize', true);
  const subwords = flag(settings, 'do_subword_tokenize', true);
  if (words) choice(settings, 'word_tokenizer_type', 'basic', ['basic'], 'ask for tensors, and tokenize before');
  const kinds = ['wordpiece', 'character'];
  const kind = subwords ? choice(settings, 'subword_tokenizer_type', 'wordpiece', kinds, 'ask for tensors') : 'word';
  const never = settings.values['never_split'];
  if (Array.isArray(never) && never.length > 0) {
    throw invalidValue(CONFIG, 'never_split', never, 'it is not served. Add the tokens as added_tokens_decoder');
  }
  const lower = flag(settings, 'do_lower_case', false);
  const normalizers: JsonObject[] = words ? [CLEAN, { type: 'NFC' }] : [];
  // Python lowers a capital sigma at the end of a word to another letter, the Rust library does not.
  if (lower) normalizers.push(replacePattern(String.raw`(?<=\p{L})Σ(?!\p{L})`, 'ς'), { type: 'Lowercase' });
  if (lower && words) normalizers.push({ ...CLEAN, clean_text: false, strip_accents: true });
  const preTokenizers: JsonObject[] = [];
  if (kind === 'character') {
    // What NFKC makes a space of is a character, a space between words is none.
    if (words) normalizers.push(replacePattern(String.raw`\s+`, END_OF_WORD));
    normalizers.push({ type: 'NFKC' });
    if (words)
      preTokenizers.push({ type: 'Split', pattern: { String: END_OF_WORD }, behavior: 'Removed', invert: false });
    preTokenizers.push({ type: 'Split', pattern: { Regex: String.raw`[\s\S]` }, behavior: 'Isolated', invert: false });
  } else if (words) preTokenizers.push({ type: 'BertPreTokenizer' });
  else if (kind === 'wordpiece') preTokenizers.push({ type: 'WhitespaceSplit' });
  return {
    model:
      kind === 'wordpiece'
        ? wordPiece(ids, unk)
        : { type: 'WordLevel', vocab: Object.fromEntries(ids), unk_token: unk },
    vocabulary: mapVocabulary(ids),
    normalizer: normalizers.length === 0 ? null : sequence(normalizers),
    preTokenizer: preTokenizers.length === 0 ? null : preSequence(preTokenizers),
    decoder: { type: 'WordPiece', prefix: '##', cleanup: false },
    postProcessor: (idOf) => template([cls, idOf(cls)], [sep, idOf(sep)], { separators: 1, pairType: 1 }),
    added: [],
  };
}
