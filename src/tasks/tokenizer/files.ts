import { ModelkeepError, type VersionFiles } from '../../core/index.js';
import { readJsonObject, type JsonObject } from '../json-file.js';
import type { ModelConfig } from '../model-config.js';
import { byteLevelTokenizer, wordPieceTokenizer } from './build.js';

/** Every file that a tokenizer may be read from. */
export const TOKENIZER_FILES = Object.freeze([
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'vocab.txt',
  'vocab.json',
  'merges.txt',
]);

/** What a tokenizer is opened from. */
export interface TokenizerFiles {
  /** Contents of `tokenizer.json`, or what stands for it. */
  readonly json: JsonObject;
  /** Contents of `tokenizer_config.json`; empty if there is none. */
  readonly config: JsonObject;
}

/** Special tokens that the classes of transformers have without being told. */
function defaultSpecials(json: JsonObject): JsonObject {
  const added = Array.isArray(json['added_tokens']) ? (json['added_tokens'] as { content?: unknown }[]) : [];
  const contents = new Set(added.map((token) => token.content));
  const bert = contents.has('[CLS]');
  const roberta = contents.has('<s>');
  const first = (...tokens: string[]): string | undefined => tokens.find((token) => contents.has(token));
  const entries = {
    unk_token: first('[UNK]', '<unk>'),
    pad_token: first('[PAD]', '<pad>'),
    mask_token: first('[MASK]', '<mask>'),
    cls_token: bert ? '[CLS]' : roberta ? '<s>' : undefined,
    sep_token: first('[SEP]', '</s>'),
  };
  return Object.fromEntries(Object.entries(entries).filter(([, token]) => token !== undefined));
}

/**
 * Reads the tokenizer's files; undefined if the version has none.
 *
 * @throws ModelkeepError `INVALID_ARTIFACT` for damaged files, `UNSUPPORTED_FORMAT` for a sentencepiece model alone
 */
export async function readTokenizerFiles(
  files: VersionFiles,
  model: ModelConfig | undefined,
): Promise<TokenizerFiles | undefined> {
  const specials = (await readJsonObject(files, 'special_tokens_map.json')) ?? {};
  const own = (await readJsonObject(files, 'tokenizer_config.json')) ?? {};
  const read = async (path: string): Promise<string> => (await files.read(path)).toString('utf8');
  let json = await readJsonObject(files, 'tokenizer.json');
  if (json === undefined && files.size('vocab.txt') !== undefined) {
    json = wordPieceTokenizer(await read('vocab.txt'), own);
  } else if (json === undefined && files.size('vocab.json') !== undefined && files.size('merges.txt') !== undefined) {
    const vocabulary = (await readJsonObject(files, 'vocab.json')) ?? {};
    json = byteLevelTokenizer(vocabulary, await read('merges.txt'), own, model?.modelType ?? '');
  }
  if (json !== undefined) {
    const config = { ...defaultSpecials(json), ...specials, ...own };
    return { json, config };
  }
  const sentencepiece = files.paths.find((path) => /(^|\/)(sentencepiece\.bpe|spiece|tokenizer)\.model$/.test(path));
  if (sentencepiece === undefined) return undefined;
  throw new ModelkeepError(
    'UNSUPPORTED_FORMAT',
    `There is only ${sentencepiece} and no tokenizer.json; save the fast tokenizer with the model (save_pretrained)`,
  );
}
