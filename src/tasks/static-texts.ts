import type { VersionFiles } from '../core/index.js';
import { readTokenizerJson, type StaticModel } from '../formats/index.js';
import { invalidInput } from './input.js';
import type { Encoding } from './task.js';
import type { Tokenizing } from './tokenizer-arguments.js';
import type { TextTokenizer } from './tokenizer/tokenizer.js';

/** How a text becomes the tokens whose rows static embeddings add up. */
export type StaticEncode = (
  text: string,
  field: string,
  tokenizing: Pick<Tokenizing, 'truncate' | 'side'>,
) => Promise<Encoding>;

/** The file that a static model's tokenizer is opened from; both libraries read no other. */
const STATIC_TOKENIZER = 'tokenizer.json';

/** Numbers of the vectors of one text's tokens at the most: 16 million, 64 MiB. */
const MAX_NUMBERS = 16 * 1024 * 1024;

/** A text that has no token still needs a place in a run; the graph takes a negative id for no token. */
const NO_TOKEN: Encoding = { ids: [-1] };

const isSeen = (path: string): boolean => path === STATIC_TOKENIZER;

/** The files of a version as a static model's tokenizer sees them. */
export function tokenizerFilesOf(files: VersionFiles): VersionFiles {
  return {
    ...files,
    paths: files.paths.filter(isSeen),
    size: (path) => (isSeen(path) ? files.size(path) : undefined),
  };
}

/**
 * Texts to tokens, as the library of the model makes them: without special tokens; cut, and without unknown ones, by
 * model2vec alone. sentence-transformers cuts where `truncation` of tokenizer.json says so.
 *
 * @returns a function that throws ModelkeepError `INVALID_INPUT` for a text of too many tokens
 */
export async function openStaticTexts(
  files: VersionFiles,
  model: StaticModel,
  tokenizer: TextTokenizer,
): Promise<StaticEncode> {
  const most = Math.max(1, Math.floor(MAX_NUMBERS / (model.table.shape[1] ?? 1)));
  const isOwn = model.library === 'model2vec';
  const limit = isOwn ? { maxTokens: model.maxTokens, left: false } : await truncationOf(files);
  const unknown = isOwn ? await unknownIdOf(files, tokenizer) : undefined;
  return async (text, field, { truncate, side }) => {
    const left = side === undefined ? limit.left : side === 'left';
    const kept = isOwn && truncate ? shortened(text, model, tokenizer) : text;
    const all = await tokenizer.ids(kept, Math.min(limit.maxTokens, most), left);
    if (!truncate && all.length > limit.maxTokens) {
      throw invalidInput(field, `has more than the ${limit.maxTokens} tokens the model takes; set parameters.truncate`);
    }
    const ids = cut(all, limit.maxTokens, left).filter((id) => id !== unknown);
    if (ids.length > most) {
      throw invalidInput(field, `has more than ${most} tokens, which take too much memory at once; shorten it`);
    }
    return ids.length === 0 ? NO_TOKEN : { ids };
  };
}

function cut(ids: readonly number[], most: number, left: boolean): readonly number[] {
  if (ids.length <= most) return ids;
  return left ? ids.slice(ids.length - most) : ids.slice(0, most);
}

/** model2vec keeps as many letters as the most tokens have that are as long as its median token. */
function shortened(text: string, { maxTokens }: StaticModel, tokenizer: TextTokenizer): string {
  // No token is shorter than one letter.
  if (text.length <= maxTokens) return text;
  const letters = maxTokens * tokenizer.medianTokenLength();
  return text.length <= letters ? text : Array.from(text).slice(0, letters).join('');
}

async function truncationOf(files: VersionFiles): Promise<{ readonly maxTokens: number; readonly left: boolean }> {
  const { json } = await readTokenizerJson(files);
  const { max_length: most, direction } = (json['truncation'] ?? {}) as Record<string, unknown>;
  return {
    maxTokens: typeof most === 'number' && most > 0 ? most : Number.POSITIVE_INFINITY,
    left: direction === 'Left',
  };
}

/** The id of the token for what the vocabulary does not have. */
async function unknownIdOf(files: VersionFiles, tokenizer: TextTokenizer): Promise<number | undefined> {
  const { json } = await readTokenizerJson(files);
  const { unk_token: token, unk_id: id } = (json['model'] ?? {}) as Record<string, unknown>;
  if (typeof token === 'string') return tokenizer.idOf(token);
  return typeof id === 'number' ? id : undefined;
}
