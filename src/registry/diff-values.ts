import type { VersionFiles } from '../core/index.js';

/** A value that differs, by its path in a document: `id2label.0`. */
export interface ValueChange {
  readonly path: string;
  /** Absent if it is not there. */
  readonly first?: unknown;
  readonly second?: unknown;
}

/** What differs between two tokenizers. */
export interface TokenizerDiff {
  /** Files of the tokenizer that differ, with what differs in them where they are small JSON documents. */
  readonly changes: readonly ValueChange[];
  /** Tokens that only one of the two vocabularies has; undefined where a vocabulary cannot be read. */
  readonly addedTokens?: number;
  readonly removedTokens?: number;
}

/** Largest JSON file that is compared value by value: 4 MiB. */
const MAX_DOCUMENT_BYTES = 4 * 1024 * 1024;
/** Largest tokenizer file whose vocabulary is compared: 64 MiB. */
const MAX_TOKENIZER_BYTES = 64 * 1024 * 1024;
const CONFIG = 'config.json';
/** Keys of config.json that say the labels; `label2id` says the same once more. */
const LABELS = 'id2label';
/** Small documents that say how texts are cut; the vocabulary is compared by its tokens. */
const TOKENIZER_DOCUMENTS = ['tokenizer_config.json', 'special_tokens_map.json', 'added_tokens.json'];
const TOKENIZER = 'tokenizer.json';

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** What differs between two JSON values, by path; lists are compared as a whole. */
export function changesOf(first: unknown, second: unknown, path = ''): ValueChange[] {
  if (isObject(first) && isObject(second)) {
    const keys = [...new Set([...Object.keys(first), ...Object.keys(second)])].toSorted();
    return keys.flatMap((key) => changesOf(first[key], second[key], path === '' ? key : `${path}.${key}`));
  }
  if (JSON.stringify(first) === JSON.stringify(second)) return [];
  return [{ path, ...(first === undefined ? {} : { first }), ...(second === undefined ? {} : { second }) }];
}

/** A JSON file; undefined if it is not there, too large, or none: then it has no values to compare. */
async function readDocument(files: VersionFiles, path: string, maxBytes: number): Promise<unknown> {
  const size = files.size(path);
  if (size === undefined || size > maxBytes) return undefined;
  try {
    return JSON.parse((await files.read(path)).toString('utf8')) as unknown;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** What differs in `config.json`: the labels apart from the rest. */
export async function diffConfiguration(
  first: VersionFiles,
  second: VersionFiles,
): Promise<{ readonly configuration: ValueChange[]; readonly labels: ValueChange[] }> {
  const documents = [first, second].map((files) => readDocument(files, CONFIG, MAX_DOCUMENT_BYTES));
  const [one, two] = await Promise.all(documents);
  const all = changesOf(one, two);
  const isLabel = ({ path }: ValueChange): boolean => path.split('.')[0] === LABELS;
  return {
    configuration: all.filter((change) => !isLabel(change) && !change.path.startsWith('label2id')),
    labels: all.filter(isLabel).map(({ path, ...values }) => ({ path: path.slice(LABELS.length + 1), ...values })),
  };
}

/** What differs in how texts are cut. */
export async function diffTokenizer(first: VersionFiles, second: VersionFiles): Promise<TokenizerDiff> {
  const changes: ValueChange[] = [];
  for (const path of TOKENIZER_DOCUMENTS) {
    const documents = [first, second].map((files) => readDocument(files, path, MAX_DOCUMENT_BYTES));
    const [one, two] = await Promise.all(documents);
    changes.push(...changesOf(one, two, path));
  }
  const tokenizers = [first, second].map((files) => readDocument(files, TOKENIZER, MAX_TOKENIZER_BYTES));
  const [one, two] = (await Promise.all(tokenizers)) as [unknown, unknown];
  changes.push(...changesOf(withoutVocabulary(one), withoutVocabulary(two), TOKENIZER));
  const [before, after] = [tokensOf(one), tokensOf(two)];
  if (before === undefined || after === undefined) return { changes };
  return {
    changes,
    addedTokens: [...after].filter((token) => !before.has(token)).length,
    removedTokens: [...before].filter((token) => !after.has(token)).length,
  };
}

function modelOf(tokenizer: unknown): Readonly<Record<string, unknown>> | undefined {
  const model = isObject(tokenizer) ? tokenizer['model'] : undefined;
  return isObject(model) ? model : undefined;
}

function withoutVocabulary(tokenizer: unknown): unknown {
  if (!isObject(tokenizer)) return tokenizer;
  const { vocab: _vocab, merges: _merges, ...model } = modelOf(tokenizer) ?? {};
  return { ...tokenizer, model };
}

/** The tokens of `tokenizer.json`: keys of an object, or the first of each pair (Unigram). */
function tokensOf(tokenizer: unknown): ReadonlySet<string> | undefined {
  const vocab = modelOf(tokenizer)?.['vocab'];
  if (isObject(vocab)) return new Set(Object.keys(vocab));
  if (!Array.isArray(vocab)) return undefined;
  return new Set(
    vocab.flatMap((pair: unknown) => (Array.isArray(pair) && typeof pair[0] === 'string' ? [pair[0]] : [])),
  );
}
