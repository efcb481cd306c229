import { ModelkeepError } from '../core/index.js';
import { SENTENCE_CONFIG_FILE } from '../formats/index.js';
import { invalidInput, isObject } from './input.js';
import type { JsonObject } from './json-file.js';
import { SIMILARITIES, type Similarity } from './similarity.js';

/** Which prompt goes before the texts. */
export interface PromptChoice {
  /** The text itself. */
  readonly prompt?: string | undefined;
  /** Name of a prompt of `config_sentence_transformers.json`. */
  readonly prompt_name?: string | undefined;
}

/**
 * The prompt that a request asks for; empty for none.
 *
 * @throws ModelkeepError `INVALID_INPUT` for a name the model does not have
 */
export type PromptOf = (choice: PromptChoice) => string;

function invalid(message: string): ModelkeepError {
  return new ModelkeepError('INVALID_ARTIFACT', `${SENTENCE_CONFIG_FILE}: ${message}. Save the model again`);
}

/**
 * Reads the prompts of a model.
 *
 * @param unnamed names that are prompts in any case, empty unless the model says otherwise
 * @throws ModelkeepError `INVALID_ARTIFACT` for prompts that are no texts, and a default that is no prompt
 */
export function promptsOf(config: JsonObject, unnamed: readonly string[]): PromptOf {
  const given = config['prompts'] ?? {};
  if (!isObject(given)) throw invalid('prompts is no object of texts');
  const prompts = new Map(unnamed.map((name) => [name, '']));
  for (const [name, prompt] of Object.entries(given)) {
    if (prompt !== null && typeof prompt !== 'string') throw invalid(`prompts.${name} is no text`);
    prompts.set(name, prompt ?? '');
  }
  const usual = config['default_prompt_name'] ?? undefined;
  const known = [...prompts.keys()].join(', ') || 'none';
  if (usual !== undefined && !prompts.has(usual as string)) {
    throw invalid(`default_prompt_name ${JSON.stringify(usual)} is none of the prompts: ${known}`);
  }
  return ({ prompt, prompt_name: asked }) => {
    if (prompt !== undefined) return prompt;
    const name = asked ?? (usual as string | undefined);
    if (name === undefined) return '';
    const found = prompts.get(name);
    if (found !== undefined) return found;
    throw invalidInput('parameters.prompt_name', `is ${JSON.stringify(name)}, but the prompts are: ${known}`);
  };
}

/** How vectors are compared, by its name. */
export interface NamedSimilarity {
  readonly name: string;
  readonly of: Similarity;
}

/**
 * How the vectors of a model are compared.
 *
 * @throws ModelkeepError `UNSUPPORTED_FORMAT` for a similarity that is not known
 */
export function similarityOf(config: JsonObject, usual: 'cosine' | 'dot'): NamedSimilarity {
  const name = config['similarity_fn_name'] ?? usual;
  const of = typeof name === 'string' && Object.hasOwn(SIMILARITIES, name) ? SIMILARITIES[name] : undefined;
  if (of !== undefined) return { name: name as string, of };
  throw new ModelkeepError(
    'UNSUPPORTED_FORMAT',
    `${SENTENCE_CONFIG_FILE}: similarity_fn_name ${JSON.stringify(name)} is not supported; supported: ` +
      Object.keys(SIMILARITIES).join(', '),
  );
}

/**
 * A positive integer of a model's settings; undefined if it is not there.
 *
 * @throws ModelkeepError `INVALID_ARTIFACT` for anything else
 */
export function countOf(config: JsonObject, key: string): number | undefined {
  const value = config[key] ?? undefined;
  if (value === undefined) return undefined;
  if (Number.isSafeInteger(value) && (value as number) > 0) return value as number;
  throw invalid(`${key} is ${JSON.stringify(value)}, not a positive integer`);
}
