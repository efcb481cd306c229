import { ModelkeepError, type VersionFiles } from '../core/index.js';
import { readSentenceModel, SENTENCE_CONFIG_FILE } from '../formats/index.js';
import { invalidInput, isObject } from './input.js';
import type { JsonObject } from './json-file.js';

/** Which prompt goes before the texts. */
export interface PromptChoice {
  /** The text itself. */
  readonly prompt?: string | undefined;
  /** Name of a prompt of `config_sentence_transformers.json`. */
  readonly prompt_name?: string | undefined;
}

/** The prompts of a version, by name. */
export interface Prompts {
  /**
   * The prompt that a request asks for; empty for none.
   *
   * @throws ModelkeepError `INVALID_INPUT` for a name that the model does not have
   */
  readonly promptOf: (choice: PromptChoice) => string;
}

/** Names of prompts that every encoder of sentence-transformers has, empty unless its configuration says otherwise. */
export const USUAL_PROMPTS = Object.freeze(['query', 'document']);

function invalid(message: string): ModelkeepError {
  return new ModelkeepError('INVALID_ARTIFACT', `${SENTENCE_CONFIG_FILE}: ${message}. Save the model again`);
}

/**
 * The prompts that the settings of a model hold.
 *
 * @param usual names that are prompts in any case
 * @throws ModelkeepError `INVALID_ARTIFACT` for prompts that are no texts, and a default that is no prompt
 */
export function promptsOf(config: JsonObject, usual: readonly string[]): Prompts {
  const given = config['prompts'] ?? {};
  if (!isObject(given)) throw invalid('prompts is no object of texts');
  const prompts = new Map(usual.map((name) => [name, '']));
  for (const [name, prompt] of Object.entries(given)) {
    if (prompt !== null && typeof prompt !== 'string') throw invalid(`prompts.${name} is no text`);
    prompts.set(name, prompt ?? '');
  }
  const fallback = config['default_prompt_name'] ?? undefined;
  const known = [...prompts.keys()].join(', ') || 'none';
  if (fallback !== undefined && !prompts.has(fallback as string)) {
    throw invalid(`default_prompt_name ${JSON.stringify(fallback)} is none of the prompts: ${known}`);
  }
  return {
    promptOf: ({ prompt, prompt_name: asked }) => {
      if (prompt !== undefined) return prompt;
      const name = asked ?? (fallback as string | undefined);
      if (name === undefined) return '';
      const found = prompts.get(name);
      if (found !== undefined) return found;
      throw invalidInput('parameters.prompt_name', `is ${JSON.stringify(name)}, but the prompts are: ${known}`);
    },
  };
}

/**
 * Reads the prompts of a version; none but empty ones where sentence-transformers does not read them.
 *
 * @throws ModelkeepError as {@link promptsOf}
 */
export async function readPrompts(files: VersionFiles): Promise<Prompts> {
  const model = await readSentenceModel(files);
  return promptsOf(model?.config ?? {}, model?.modelType === 'CrossEncoder' ? [] : USUAL_PROMPTS);
}
