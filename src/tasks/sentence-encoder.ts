import { readJsonObject } from './json-file.js';
import type { TaskContext } from './definition.js';
import { invalidInput } from './input.js';
import { outputNamed } from './outputs.js';
import { pool, unit } from './pooling.js';
import { readSentencePipeline } from './sentence-pipeline.js';
import type { Encoding, EncodingOutputs } from './task.js';
import type { TextTokenizer } from './tokenizer/tokenizer.js';

/** Which prompt goes before the texts. */
export interface PromptChoice {
  /** The text itself. */
  readonly prompt?: string | undefined;
  /** Name of a prompt of `config_sentence_transformers.json`. */
  readonly prompt_name?: string | undefined;
}

/** How a vector is wanted. */
export interface VectorForm {
  /** Whether it gets length 1. @defaultValue what `modules.json` says */
  readonly normalize?: boolean | undefined;
  /** How many of its first numbers; length 1 is then that of what is left. @defaultValue all */
  readonly dimensions?: number | undefined;
}

/** Texts to vectors, as `SentenceTransformer.encode` gives them. */
export interface SentenceEncoder {
  /**
   * The prompt that a request asks for; empty for none.
   *
   * @throws ModelkeepError `INVALID_INPUT` for a name the model does not have
   */
  promptOf(choice: PromptChoice): string;
  encode(text: string, prompt: string): Promise<Encoding>;
  /**
   * Takes ids of tokens as they are; special ones are the caller's.
   *
   * @throws ModelkeepError `INVALID_INPUT` for none, too many, or one that is no token of the model
   */
  encodeIds(ids: readonly unknown[], field: string): Encoding;
  /** @throws ModelkeepError `INVALID_INPUT` for a text that would be cut */
  checkLength(text: string, prompt: string, field: string): Promise<void>;
  /**
   * The vector of one text.
   *
   * @throws ModelkeepError `INVALID_INPUT` for more dimensions than there are
   */
  vector(outputs: EncodingOutputs | undefined, prompt: string, form?: VectorForm): Promise<number[]>;
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
  const clean = (text: string): string => (lower ? text.trim().toLowerCase() : text.trim());
  const encode = (text: string): Promise<Encoding> => tokenizer.encode(clean(text), undefined, { maxTokens });
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
    encodeIds: (ids, field) => ({ ids: checkIds(tokenizer, ids, maxTokens, field) }),
    checkLength: async (text, prompt, field) => {
      const room = maxTokens - tokenizer.added(false);
      if ((await tokenizer.ids(clean(prompt + text), room)).length > room) {
        throw invalidInput(field, `has more than the ${maxTokens} tokens the model takes; set parameters.truncate`);
      }
    },
    vector: async (outputs, prompt, { normalize, dimensions } = {}) => {
      const tokens = outputNamed(outputs, 'last_hidden_state', 'token_embeddings');
      // As sentence-transformers counts: the tokens of the prompt alone, without the closing special token.
      const skip = prompt === '' || pipeline.includePrompt ? 0 : (await encode(prompt)).ids.length - 1;
      const whole = pool(tokens, pipeline, skip, normalize);
      if (dimensions === undefined) return whole;
      if (dimensions > whole.length) {
        throw invalidInput('parameters.dimensions', `is ${dimensions}, but the vectors have ${whole.length}`);
      }
      const part = whole.slice(0, dimensions);
      return (normalize ?? pipeline.steps.at(-1) === 'normalize') ? unit(part) : part;
    },
  };
}

function checkIds(
  tokenizer: TextTokenizer,
  ids: readonly unknown[],
  maxTokens: number,
  field: string,
): readonly number[] {
  if (ids.length === 0) throw invalidInput(field, 'holds no token');
  if (ids.length > maxTokens) {
    throw invalidInput(field, `has ${ids.length} tokens, but the model takes ${maxTokens}; tokens are not cut`);
  }
  return ids.map((id, at) => {
    if (typeof id === 'number' && Number.isSafeInteger(id) && id >= 0 && tokenizer.has(id)) return id;
    throw invalidInput(`${field}[${at}]`, `is ${JSON.stringify(id)}, which is no token of the model`);
  });
}
