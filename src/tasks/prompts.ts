import type { VersionFiles } from '../core/index.js';
import { invalidInput } from './input.js';
import { readJsonObject } from './json-file.js';

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
  promptOf(choice: PromptChoice): string;
}

/** Reads the prompts of `config_sentence_transformers.json`. @throws ModelkeepError `INVALID_ARTIFACT` if it is damaged */
export async function readPrompts(files: VersionFiles): Promise<Prompts> {
  const config = (await readJsonObject(files, 'config_sentence_transformers.json')) ?? {};
  const prompts = (config['prompts'] ?? {}) as Readonly<Record<string, string>>;
  const defaultName = typeof config['default_prompt_name'] === 'string' ? config['default_prompt_name'] : undefined;
  return {
    promptOf: ({ prompt, prompt_name: asked }) => {
      if (prompt !== undefined) return prompt;
      const name = asked ?? defaultName;
      if (name === undefined) return '';
      const found = Object.hasOwn(prompts, name) ? prompts[name] : undefined;
      if (found !== undefined) return found;
      const known = Object.keys(prompts).join(', ') || 'none';
      throw invalidInput('parameters.prompt_name', `is ${JSON.stringify(name)}, but the prompts are: ${known}`);
    },
  };
}
