import { ModelkeepError, type VersionFiles } from '../core/index.js';
import { readJson } from './read-json.js';

/** The largest number among the ids of a vocabulary, an object of ids, a list, or a list of objects with `id`. */
function largestId(vocabulary: unknown): { readonly id: number; readonly token: string } {
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
  } else if (typeof vocabulary === 'object' && vocabulary !== null) {
    for (const [token, id] of Object.entries(vocabulary)) see(id, token);
  }
  return largest;
}

/**
 * Makes sure that tokenizer.json gives no id beyond `vocab_size` of config.json, where a version has both.
 *
 * @throws ModelkeepError `INVALID_ARTIFACT` naming the token and its id
 */
export async function checkTokenizer(files: VersionFiles): Promise<void> {
  if (files.size('tokenizer.json') === undefined || files.size('config.json') === undefined) return;
  const { vocab_size: size } = await readJson(files, 'config.json');
  const { model, added_tokens: added } = await readJson(files, 'tokenizer.json');
  if (typeof size !== 'number') return;
  const vocabulary = (model as { vocab?: unknown } | null | undefined)?.vocab;
  for (const { id, token } of [largestId(vocabulary), largestId(added)]) {
    if (id < size) continue;
    throw new ModelkeepError(
      'INVALID_ARTIFACT',
      `tokenizer.json gives the token ${JSON.stringify(token)} the id ${id}, the embedding table has ${size} rows. ` +
        'Save the tokenizer that the model was trained with, or resize the embeddings',
    );
  }
}
