import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { openTokenizer } from '../../../src/tasks/tokenizer/tokenizer.js';
import { compareMade, type Made } from '../../tokenizers/made-folders.js';
import { memoryFiles } from '../formats/memory-files.js';

type Contents = Readonly<Record<string, unknown>>;

interface Folder extends Made {
  /** The release of transformers whose AutoTokenizer answered. */
  readonly release: string;
  readonly files: Contents;
}

const FOLDERS = JSON.parse(readFileSync(new URL('resolve-tokenizer.json', import.meta.url), 'utf8')) as Readonly<
  Record<string, Folder>
>;

function files(contents: Contents) {
  const bytes = Object.entries(contents).map(([path, one]) => {
    return [path, Buffer.from(typeof one === 'string' ? one : JSON.stringify(one))] as const;
  });
  return memoryFiles(Object.fromEntries(bytes));
}

const open = (contents: Contents) => openTokenizer(files(contents), undefined);

describe('small files make the tokenizer that transformers makes of them:', () => {
  it.each(Object.entries(FOLDERS))('%s', async (_, folder) => {
    expect(await compareMade(files(folder.files), folder)).toEqual({});
  });
});

const json = FOLDERS['PreTrainedTokenizerFast gives segments']?.files['tokenizer.json'];
const vocabulary = FOLDERS['added_tokens_decoder: every mark']?.files['vocab.txt'];
const config = (values: Contents) => ({ 'tokenizer_config.json': values });

describe('a tokenizer that cannot be made so is refused by name:', () => {
  it.each([
    'BertweetTokenizer',
    'BlenderbotTokenizer',
    'CLIPTokenizer',
    'FlaubertTokenizer',
    'FunnelTokenizerFast',
    'LlamaTokenizerFast',
    'LukeTokenizer',
    'MBartTokenizerFast',
    'NllbTokenizer',
    'PhobertTokenizer',
    'RoFormerTokenizer',
    'SplinterTokenizer',
    'TapasTokenizer',
    'XLMTokenizer',
    'BertJapaneseTokenizerFast',
    'OwnTokenizer',
  ])('%s, with tokenizer.json and without', async (name) => {
    for (const rest of [{ 'tokenizer.json': json }, { 'vocab.txt': vocabulary }]) {
      await expect(open({ ...rest, ...config({ tokenizer_class: name }) })).rejects.toThrow(
        `The tokenizer is a ${name} (tokenizer_class of tokenizer_config.json), which modelkeep does not know`,
      );
    }
  });

  it.each(['GPT2Tokenizer', 'T5Tokenizer', 'XLNetTokenizer', 'BigBirdTokenizer', 'BarthezTokenizer', 'FNetTokenizer'])(
    '%s without tokenizer.json',
    async (name) => {
      const contents = { 'vocab.txt': vocabulary, ...config({ tokenizer_class: name }) };
      await expect(open(contents)).rejects.toThrow(`${name}, which is read from tokenizer.json, and there is none`);
    },
  );

  it.each([
    [{ word_tokenizer_type: 'mecab' }, 'word_tokenizer_type of BertJapaneseTokenizer is "mecab"'],
    [{ word_tokenizer_type: 'sudachi' }, 'word_tokenizer_type of BertJapaneseTokenizer is "sudachi"'],
    [{ word_tokenizer_type: 'jumanpp' }, 'word_tokenizer_type of BertJapaneseTokenizer is "jumanpp"'],
    [{ subword_tokenizer_type: 'sentencepiece' }, 'subword_tokenizer_type of BertJapaneseTokenizer'],
  ])('BertJapaneseTokenizer with %j', async (values, message) => {
    const contents = { 'vocab.txt': vocabulary, ...config({ tokenizer_class: 'BertJapaneseTokenizer', ...values }) };
    await expect(open(contents)).rejects.toThrow(message);
  });

  it('a class with code of its own', async () => {
    const values = { tokenizer_class: 'OwnTokenizer', auto_map: { AutoTokenizer: ['own.OwnTokenizer', null] } };
    await expect(open({ 'tokenizer.json': json, ...config(values) })).rejects.toThrow(
      'code of its own, which is not run',
    );
  });

  it.each([
    [{ additional_special_tokens: ['<extra_id_0>'] }, 'extra_ids is 100; additional_special_tokens has 1 tokens'],
    [{ add_prefix_space: false }, 'from_slow or add_prefix_space asks for the files of a slow T5Tokenizer'],
  ])('T5Tokenizer with %j', async (values, message) => {
    const contents = { 'tokenizer.json': json, ...config({ tokenizer_class: 'T5Tokenizer', ...values }) };
    await expect(open(contents)).rejects.toThrow(message);
  });

  it('from_slow of a class whose slow files are not read', async () => {
    const contents = { 'tokenizer.json': json, ...config({ tokenizer_class: 'XGLMTokenizer', from_slow: true }) };
    await expect(open(contents)).rejects.toThrow(
      'tokenizer_config.json: from_slow asks for the files of a slow XGLMTokenizer, which are not read',
    );
  });

  it('an added token of a BertJapaneseTokenizer that is declared with another id than it gets', async () => {
    const token = { content: 'movie', single_word: false, lstrip: false, rstrip: false, special: false };
    const values = { tokenizer_class: 'BertJapaneseTokenizer', word_tokenizer_type: 'basic' };
    const contents = { 'vocab.txt': vocabulary, ...config({ ...values, added_tokens_decoder: { '30': token } }) };
    await expect(open(contents)).rejects.toThrow('gives "movie" the id 30, with vocab.txt it gets 24');
  });

  it.each([
    [{ special: false }, 'is not special'],
    [{ lstrip: true }, 'has lstrip'],
    [{ single_word: true }, 'has single_word'],
    [{ content: 'movie' }, 'has no capital letter'],
  ])('an added token of a BertJapaneseTokenizer with %j', async (marks, message) => {
    const plainMarks = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };
    const token = { content: 'MOVIE', ...plainMarks, ...marks };
    const values = { tokenizer_class: 'BertJapaneseTokenizer', word_tokenizer_type: 'basic', do_lower_case: true };
    const contents = { 'vocab.txt': vocabulary, ...config({ ...values, added_tokens_decoder: { '24': token } }) };
    await expect(open(contents)).rejects.toThrow(message);
  });

  it('a token around texts that is declared with another id than it gets', async () => {
    const token = { content: '[new]', single_word: false, lstrip: false, rstrip: false, special: true };
    const values = { tokenizer_class: 'BertTokenizer', cls_token: '[new]', added_tokens_decoder: { '400': token } };
    await expect(open({ 'vocab.txt': vocabulary, ...config(values) })).rejects.toThrow(
      'added_tokens_decoder gives "[new]" the id 400, with vocab.txt it gets 24',
    );
  });
});
