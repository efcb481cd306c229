import { ModelkeepError } from '../../../core/index.js';
import type { JsonObject } from '../../json-file.js';
import { mapVocabulary, template, type Parts } from './parts.js';
import { flag, readId, type Settings } from './settings.js';
import type { SpecialTexts } from './word-piece.js';

/** Ids by token of a vocab.json. @throws ModelkeepError `INVALID_ARTIFACT` */
export function readIds(json: JsonObject): ReadonlyMap<string, number> {
  return new Map(Object.entries(json).map(([token, id]) => [token, readId('vocab.json', JSON.stringify(token), id)]));
}

/**
 * The merges of a merges.txt. The slow tokenizers of transformers take its first line for a header and what follows the
 * last end of a line for nothing, whatever they are; so does this.
 *
 * @throws ModelkeepError `INVALID_ARTIFACT`
 */
export function readMerges(text: string, header: 'always' | 'if it is one' = 'always'): (readonly [string, string])[] {
  const lines = text.split('\n').slice(0, -1);
  const isHeader = header === 'always' || lines[0]?.startsWith('#version') === true;
  const merges = new Map<string, readonly [string, string]>();
  for (const [i, line] of lines.entries()) {
    if (i === 0 && isHeader) continue;
    const [left, right, more] = line.trim().split(/\s+/);
    if (!left || right === undefined || (more !== undefined && header === 'always')) {
      throw new ModelkeepError(
        'INVALID_ARTIFACT',
        `merges.txt: line ${i + 1} is ${JSON.stringify(line)}; it must be two tokens. Save the tokenizer again`,
      );
    }
    const key = `${left} ${right}`;
    if (!merges.has(key)) merges.set(key, [left, right]);
  }
  return [...merges.values()];
}

function bpe(ids: ReadonlyMap<string, number>, merges: readonly unknown[], more: JsonObject): JsonObject {
  return {
    type: 'BPE',
    dropout: null,
    unk_token: null,
    continuing_subword_prefix: '',
    end_of_word_suffix: '',
    fuse_unk: false,
    byte_fallback: false,
    ignore_merges: false,
    vocab: Object.fromEntries(ids),
    merges,
    ...more,
  };
}

/**
 * A byte-level BPE tokenizer from vocab.json and merges.txt, as `RobertaConverter` and `DebertaConverter` of
 * transformers make it.
 */
export function convertByteLevel(
  kind: 'roberta' | 'deberta',
  ids: ReadonlyMap<string, number>,
  mergesText: string,
  settings: Settings,
  { cls, sep }: SpecialTexts,
): Parts {
  const addPrefixSpace = flag(settings, 'add_prefix_space', false);
  return {
    model: bpe(ids, readMerges(mergesText), {}),
    vocabulary: mapVocabulary(ids),
    normalizer: null,
    preTokenizer: { type: 'ByteLevel', add_prefix_space: addPrefixSpace, trim_offsets: true, use_regex: true },
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    postProcessor: (idOf) =>
      kind === 'deberta'
        ? template(['[CLS]', idOf('[CLS]')], ['[SEP]', idOf('[SEP]')], { separators: 1, pairType: 1 })
        : {
            type: 'RobertaProcessing',
            sep: [sep, idOf(sep)],
            cls: [cls, idOf(cls)],
            trim_offsets: true,
            add_prefix_space: addPrefixSpace,
          },
    added: [],
  };
}

/** HerBERT's BPE from vocab.json and merges.txt, whose tokens mark the ends of words (`HerbertConverter`). */
export function convertHerbert(
  ids: ReadonlyMap<string, number>,
  mergesText: string,
  { unk, cls, sep }: SpecialTexts,
): Parts {
  return {
    model: bpe(ids, readMerges(mergesText, 'if it is one'), {
      unk_token: unk,
      continuing_subword_prefix: null,
      end_of_word_suffix: '</w>',
    }),
    vocabulary: mapVocabulary(ids),
    normalizer: {
      type: 'BertNormalizer',
      clean_text: true,
      handle_chinese_chars: true,
      strip_accents: false,
      lowercase: false,
    },
    preTokenizer: { type: 'BertPreTokenizer' },
    decoder: { type: 'BPEDecoder', suffix: '</w>' },
    postProcessor: (idOf) => ({ type: 'BertProcessing', sep: [sep, idOf(sep)], cls: [cls, idOf(cls)] }),
    added: [],
  };
}
