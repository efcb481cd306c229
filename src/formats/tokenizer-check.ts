import { ModelkeepError, type VersionFiles } from '../core/index.js';
import { readJson, readTokenizerJson } from './read-json.js';
import { WEIGHTS_FILE } from './shards.js';
import { readStaticModel } from './static-embeddings.js';

interface LargestId {
  readonly id: number;
  readonly token: string;
}

/** The largest number among the ids of a vocabulary, an object or map of ids, a list, or a list of objects with `id`. */
function largestId(vocabulary: unknown): LargestId {
  let largest = { id: -1, token: '' };
  const see = (id: unknown, token: unknown): void => {
    if (typeof id === 'number' && id > largest.id) largest = { id, token: String(token) };
  };
  if (Array.isArray(vocabulary)) {
    vocabulary.forEach((entry: unknown, index) => {
      // Unigram vocabularies are lists of [token, score]; added tokens are objects with their id.
      if (Array.isArray(entry)) see(index, entry[0]);
      else if (typeof entry === 'object' && entry !== null) {
        const { id, content } = entry as Record<string, unknown>;
        see(id, content);
      }
    });
  } else if (vocabulary instanceof Map) {
    for (const [token, id] of vocabulary as ReadonlyMap<string, number>) see(id, token);
  } else if (typeof vocabulary === 'object' && vocabulary !== null) {
    for (const [token, id] of Object.entries(vocabulary)) see(id, token);
  }
  return largest;
}

/** The largest ids of the files that a tokenizer is made from: tokenizer.json, or older vocabularies where there is none. */
async function largestIds(files: VersionFiles): Promise<readonly (LargestId & { readonly path: string })[]> {
  if (files.size('tokenizer.json') !== undefined) {
    const { json, vocabulary } = await readTokenizerJson(files);
    const { model, added_tokens: added } = json;
    return [vocabulary ?? (model as { vocab?: unknown } | null | undefined)?.vocab, added].map((one) => ({
      ...largestId(one),
      path: 'tokenizer.json',
    }));
  }
  if (files.size('vocab.txt') !== undefined) {
    const words = (await files.read('vocab.txt'))
      .toString('utf8')
      .replace(/\r?\n$/, '')
      .split(/\r?\n/);
    return [{ id: words.length - 1, token: words.at(-1) ?? '', path: 'vocab.txt' }];
  }
  if (files.size('vocab.json') === undefined) return [];
  return [{ ...largestId(await readJson(files, 'vocab.json')), path: 'vocab.json' }];
}

/**
 * Makes sure that the tokenizer gives no id beyond `vocab_size` of config.json, where a version has both.
 *
 * @throws ModelkeepError `INVALID_ARTIFACT` naming the token and its id
 */
export async function checkTokenizer(files: VersionFiles): Promise<void> {
  const found = await tableSize(files);
  if (found === undefined) return;
  const { size, where } = found;
  for (const { id, token, path } of await largestIds(files)) {
    if (id < size) continue;
    throw new ModelkeepError(
      'INVALID_ARTIFACT',
      `${path} gives the token ${JSON.stringify(token)} the id ${id}, the embedding table has ${size} rows ` +
        `(${where}). Save the tokenizer that the model was trained with, or resize the embeddings`,
    );
  }
}

/** How many ids the tokens of a version may have, and what says so. */
async function tableSize(files: VersionFiles): Promise<{ readonly size: number; readonly where: string } | undefined> {
  const tables = await readStaticModel(files);
  if (tables !== undefined) {
    return { size: tables.tokens, where: `"${(tables.mapping ?? tables.table).name}" of ${WEIGHTS_FILE}` };
  }
  if (files.size('config.json') === undefined) return undefined;
  const { vocab_size: size } = await readJson(files, 'config.json');
  return typeof size === 'number' ? { size, where: 'vocab_size of config.json' } : undefined;
}
