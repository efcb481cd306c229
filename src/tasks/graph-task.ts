import type { TensorInfo, VersionFiles } from '../core/index.js';
import type { TaskName } from './detect.js';
import { outputsAreNamed } from './outputs.js';
import { hasVocabulary } from './tokenizer/resolve/sources.js';

/** From how many numbers a token on they are taken for scores of words, not of labels. */
const VOCABULARY_SIZE = 1_000;

/** True for dimensions of which the last is a size: what a graph declares of features and labels. */
function hasRank({ dims }: TensorInfo, rank: number): boolean {
  return dims.length === rank && (dims.at(-1) ?? -1) > 0;
}

/**
 * The task of an exported model that has a tokenizer but no configuration, by the names and declared dimensions of its
 * outputs.
 *
 * @returns undefined where they do not tell, or where the model has no tokenizer
 */
export function taskOfGraph(files: VersionFiles, outputs: readonly TensorInfo[]): TaskName | undefined {
  if (!hasVocabulary(files)) return undefined;
  const named = outputs.map(({ name, type }) => ({ name, type }));
  if (outputsAreNamed('question-answering', named)) return 'question-answering';
  const [only, more] = outputs;
  const logits = outputs.find(({ name }) => /(^|[/_])logits(:\d+)?$/.test(name));
  if (logits !== undefined) {
    if (hasRank(logits, 2)) return 'text-classification';
    if (!hasRank(logits, 3)) return undefined;
    return (logits.dims[2] ?? 0) >= VOCABULARY_SIZE ? 'fill-mask' : 'token-classification';
  }
  if (outputs.some(({ name }) => /^(sentence|text)_embeddings?$/.test(name))) return 'sentence-embeddings';
  if (outputsAreNamed('feature-extraction', named)) return 'feature-extraction';
  // Vectors of tokens, and the same number of features for the whole text.
  const tokens = outputs.filter((output) => hasRank(output, 3));
  const texts = outputs.filter((output) => hasRank(output, 2));
  const [token] = tokens;
  if (only !== undefined && more === undefined) return undefined;
  const pairs = tokens.length === 1 && texts.length === outputs.length - 1;
  return pairs && texts.every(({ dims }) => dims[1] === token?.dims[2]) ? 'feature-extraction' : undefined;
}
