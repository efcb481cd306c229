import { ModelkeepError } from '../../core/index.js';
import type { JsonObject } from '../json-file.js';

function special(config: JsonObject, name: string, fallback: string): string {
  const value = config[name];
  if (typeof value === 'string') return value;
  const content = typeof value === 'object' && value !== null ? (value as JsonObject)['content'] : undefined;
  return typeof content === 'string' ? content : fallback;
}

function idIn(vocabulary: ReadonlyMap<string, number>, token: string, file: string): number {
  const id = vocabulary.get(token);
  if (id === undefined) {
    throw new ModelkeepError('INVALID_ARTIFACT', `${file} has no ${token}; save the tokenizer with the model`);
  }
  return id;
}

function addedToken(id: number, content: string, lstrip = false): JsonObject {
  return { id, content, single_word: false, lstrip, rstrip: false, normalized: false, special: true };
}

const specialPart = (id: string, typeId: number): JsonObject => ({ SpecialToken: { id, type_id: typeId } });
const textPart = (id: 'A' | 'B', typeId: number): JsonObject => ({ Sequence: { id, type_id: typeId } });

/** A template such as `[CLS] A [SEP] B [SEP]`; `between` is the number of separators between the texts. */
function template(cls: [string, number], sep: [string, number], between: 1 | 2, pairTypeId: 0 | 1): JsonObject {
  const single = [specialPart(cls[0], 0), textPart('A', 0), specialPart(sep[0], 0)];
  const extra = between === 2 ? [specialPart(sep[0], 0)] : [];
  return {
    type: 'TemplateProcessing',
    single,
    pair: [...single, ...extra, textPart('B', pairTypeId), specialPart(sep[0], pairTypeId)],
    special_tokens: {
      [cls[0]]: { id: cls[0], ids: [cls[1]], tokens: [cls[0]] },
      [sep[0]]: { id: sep[0], ids: [sep[1]], tokens: [sep[0]] },
    },
  };
}

/**
 * The `tokenizer.json` of a WordPiece vocabulary, as `BertTokenizerFast` makes it from `vocab.txt` (defaults of
 * `BertTokenizer`: lower case, Chinese characters apart, accents stripped when in lower case).
 *
 * @param vocabularyText one token a line; its line number is its id
 * @throws ModelkeepError `INVALID_ARTIFACT` if a special token is not in the vocabulary
 */
export function wordPieceTokenizer(vocabularyText: string, config: JsonObject): JsonObject {
  const lines = vocabularyText.replace(/\r?\n$/, '').split(/\r?\n/);
  const vocabulary = new Map(lines.map((token, id) => [token, id]));
  const id = (token: string): number => idIn(vocabulary, token, 'vocab.txt');
  const names = { pad: '[PAD]', unk: '[UNK]', cls: '[CLS]', sep: '[SEP]', mask: '[MASK]' };
  const tokens = Object.entries(names).map(([name, fallback]) => special(config, `${name}_token`, fallback));
  const [, unk = '[UNK]', cls = '[CLS]', sep = '[SEP]'] = tokens;
  return {
    version: '1.0',
    added_tokens: tokens.filter((token) => vocabulary.has(token)).map((token) => addedToken(id(token), token)),
    normalizer: {
      type: 'BertNormalizer',
      clean_text: true,
      handle_chinese_chars: config['tokenize_chinese_chars'] ?? true,
      strip_accents: config['strip_accents'] ?? null,
      lowercase: config['do_lower_case'] ?? true,
    },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: template([cls, id(cls)], [sep, id(sep)], 1, 1),
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
    model: {
      type: 'WordPiece',
      unk_token: unk,
      continuing_subword_prefix: '##',
      max_input_chars_per_word: 100,
      vocab: Object.fromEntries(vocabulary),
    },
  };
}

/**
 * The `tokenizer.json` of a byte-level BPE vocabulary, as `RobertaTokenizerFast` makes it from `vocab.json` and
 * `merges.txt`.
 *
 * @throws ModelkeepError `INVALID_ARTIFACT` if a special token is missing; `UNSUPPORTED_FORMAT` for a family that
 *   does not use RoBERTa's special tokens
 */
export function byteLevelTokenizer(
  vocabularyJson: JsonObject,
  mergesText: string,
  config: JsonObject,
  modelType: string,
): JsonObject {
  const vocabulary = new Map(Object.entries(vocabularyJson).map(([token, id]) => [token, Number(id)]));
  if (!vocabulary.has(special(config, 'cls_token', '<s>'))) {
    throw new ModelkeepError(
      'UNSUPPORTED_FORMAT',
      `vocab.json of ${modelType || 'this model'} has no <s> token; save tokenizer.json with the model`,
    );
  }
  const id = (token: string): number => idIn(vocabulary, token, 'vocab.json');
  const names = { bos: '<s>', pad: '<pad>', eos: '</s>', unk: '<unk>', mask: '<mask>' };
  const tokens = Object.entries(names).map(([name, fallback]) => special(config, `${name}_token`, fallback));
  const cls = special(config, 'cls_token', '<s>');
  const sep = special(config, 'sep_token', '</s>');
  const merges = mergesText
    .split(/\r?\n/)
    .filter((line, i) => line !== '' && !(i === 0 && line.startsWith('#version')));
  return {
    version: '1.0',
    added_tokens: tokens
      .filter((token) => vocabulary.has(token))
      .map((token) => addedToken(id(token), token, token === tokens[4])),
    normalizer: null,
    pre_tokenizer: {
      type: 'ByteLevel',
      add_prefix_space: config['add_prefix_space'] ?? false,
      trim_offsets: config['trim_offsets'] ?? true,
      use_regex: true,
    },
    post_processor: template([cls, id(cls)], [sep, id(sep)], 2, 0),
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: { type: 'BPE', unk_token: null, vocab: Object.fromEntries(vocabulary), merges },
  };
}
