import { readJsonObject } from './json-file.js';
import type { TaskContext } from './definition.js';
import { invalidInput } from './input.js';
import { outputNamed } from './outputs.js';
import { pool } from './pooling.js';
import { readSentencePipeline } from './sentence-pipeline.js';
import type { Encoding, EncodingOutputs } from './task.js';

/** Which prompt goes before the texts. */
export interface PromptChoice {
  /** The text itself. */
  readonly prompt?: string | undefined;
  /** Name of a prompt of `config_sentence_transformers.json`. */
  readonly prompt_name?: string | undefined;
}

/** Texts to vectors, as `SentenceTransformer.encode` gives them. */
export interface SentenceEncoder {
  /**
   * The prompt that a request asks for; empty for none.
   *
   * @throws ModelkeepError `INVALID_INPUT` for a name the model does not have
   */
  promptOf(choice: PromptChoice): string;
  encode(text: string, prompt: string): Encoding;
  /** The vector of one text. `normalize` defaults to what `modules.json` says. */
  vector(outputs: EncodingOutputs | undefined, prompt: string, normalize?: boolean): number[];
}

/** Opens the encoder of a version from `modules.json`, the pooling's configuration and its prompts. */
export async function openSentenceEncoder({ files, tokenizer }: TaskContext): Promise<SentenceEncoder> {
  const pipeline = await readSentencePipeline(files);
  const sentence = (await readJsonObject(files, 'sentence_bert_config.json')) ?? {};
  const config = (await readJsonObject(files, 'config_sentence_transformers.json')) ?? {};
  const prompts = (config['prompts'] ?? {}) as Readonly<Record<string, string>>;
  const defaultName = typeof config['default_prompt_name'] === 'string' ? config['default_prompt_name'] : undefined;
  const declared = sentence['max_seq_length'];
  const maxTokens = Math.min(typeof declared === 'number' ? declared : Number.POSITIVE_INFINITY, tokenizer.maxTokens);
  const lower = sentence['do_lower_case'] === true;
  const encode = (text: string): Encoding => {
    const stripped = text.trim();
    return tokenizer.encode(lower ? stripped.toLowerCase() : stripped, undefined, { maxTokens });
  };
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
    encode: (text, prompt) => encode(prompt + text),
    vector: (outputs, prompt, normalize) => {
      const tokens = outputNamed(outputs, 'last_hidden_state', 'token_embeddings');
      // As sentence-transformers counts: the tokens of the prompt alone, without the closing special token.
      const skip = prompt === '' || pipeline.includePrompt ? 0 : encode(prompt).ids.length - 1;
      return pool(tokens, pipeline, skip, normalize);
    },
  };
}
