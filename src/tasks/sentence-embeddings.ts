import { z } from 'zod';
import type { TaskDefinition } from './definition.js';
import { inOrder, invalidInput, kindOf, parseParameters, textOf } from './input.js';
import { openSentenceEncoder, type SentenceEncoder } from './sentence-encoder.js';
import type { Encoding, PreparedRequest, TaskRequest } from './task.js';
import { TEXT_CUTTING, tokenizingOf } from './tokenizer-arguments.js';

/** Schema of the parameters of sentence-embeddings. */
export const SentenceEmbeddingsParametersSchema = z.strictObject({
  normalize: z.boolean().optional().describe('Whether vectors get length 1. Default: what modules.json says.'),
  prompt_name: z.string().optional().describe('Name of a prompt of the model that goes before each text.'),
  prompt: z.string().optional().describe('Text that goes before each text, instead of a named prompt.'),
  dimensions: z.number().int().positive().optional().describe('How many of the first numbers of each vector to give.'),
  ...TEXT_CUTTING,
});

/** Parameters of sentence-embeddings. */
export type SentenceEmbeddingsParameters = z.input<typeof SentenceEmbeddingsParametersSchema>;

/** One text or a list of texts; or one list of token ids, special ones included, or several. */
export type SentenceEmbeddingsInput = string | readonly string[] | readonly number[] | readonly (readonly number[])[];

/** The vector of one text, or of each of a list. */
export type SentenceEmbeddingsOutput = readonly number[] | readonly (readonly number[])[];

async function prepare(encoder: SentenceEncoder, { inputs, parameters: asked }: TaskRequest): Promise<PreparedRequest> {
  const parameters = parseParameters(SentenceEmbeddingsParametersSchema, asked);
  const list: readonly unknown[] | undefined = Array.isArray(inputs) ? inputs : undefined;
  if (list === undefined && typeof inputs !== 'string')
    throw invalidInput('inputs', `must be a text or texts, not ${kindOf(inputs)}`);
  const many = list !== undefined && typeof list[0] !== 'number';
  const prompt = textOf(encoder.promptOf(parameters), 'parameters.prompt');
  const tokenizing = tokenizingOf(parameters, true);
  const encode = async (value: unknown, field: string): Promise<Encoding> =>
    Array.isArray(value)
      ? // Tokens are cut only where a request says so.
        encoder.encodeIds(value, field, tokenizingOf(parameters, false))
      : encoder.encode(prompt + textOf(value, field), field, tokenizing);
  const values = many ? list : [inputs];
  return {
    encodings: await inOrder(values, (each, i) => encode(each, many ? `inputs[${i}]` : 'inputs')),
    finish: async (outputs): Promise<SentenceEmbeddingsOutput> => {
      // Tokens are taken as they are: no prompt was put before them.
      const vectors = await inOrder(outputs, (each, i) =>
        encoder.vector(each, Array.isArray(values[i]) ? '' : prompt, parameters),
      );
      return many ? vectors : (vectors[0] ?? []);
    },
  };
}

/** One vector a text. */
export const sentenceEmbeddings: TaskDefinition = {
  name: 'sentence-embeddings',
  summary: 'Gives one vector for each text.',
  parameters: SentenceEmbeddingsParametersSchema,
  open: async (context) => {
    const encoder = await openSentenceEncoder(context);
    return {
      name: 'sentence-embeddings',
      ...encoder.about,
      prepare: (request) => prepare(encoder, request),
    };
  },
};
