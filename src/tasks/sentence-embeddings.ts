import { z } from 'zod';
import { paddingOf, type TaskDefinition } from './definition.js';
import { invalidInput, kindOf, parseParameters, textOf } from './input.js';
import { openSentenceEncoder, type SentenceEncoder } from './sentence-encoder.js';
import type { PreparedRequest, TaskRequest } from './task.js';

/** Schema of the parameters of sentence-embeddings. */
export const SentenceEmbeddingsParametersSchema = z.strictObject({
  normalize: z.boolean().optional().describe('Whether vectors get length 1. Default: what modules.json says.'),
  prompt_name: z.string().optional().describe('Name of a prompt of the model that goes before each text.'),
  prompt: z.string().optional().describe('Text that goes before each text, instead of a named prompt.'),
});

/** Parameters of sentence-embeddings. */
export type SentenceEmbeddingsParameters = z.infer<typeof SentenceEmbeddingsParametersSchema>;

/** One text or a list of texts. */
export type SentenceEmbeddingsInput = string | readonly string[];

/** The vector of one text, or of each of a list. */
export type SentenceEmbeddingsOutput = readonly number[] | readonly (readonly number[])[];

function prepare(encoder: SentenceEncoder, { inputs, parameters: asked }: TaskRequest): PreparedRequest {
  const parameters = parseParameters(SentenceEmbeddingsParametersSchema, asked);
  const many = Array.isArray(inputs);
  if (!many && typeof inputs !== 'string')
    throw invalidInput('inputs', `must be a text or texts, not ${kindOf(inputs)}`);
  const prompt = textOf(encoder.promptOf(parameters), 'parameters.prompt');
  const values: readonly unknown[] = many ? inputs : [inputs];
  const texts = values.map((each, i) => textOf(each, many ? `inputs[${i}]` : 'inputs'));
  return {
    encodings: texts.map((text) => encoder.encode(text, prompt)),
    finish: (outputs): SentenceEmbeddingsOutput => {
      const vectors = outputs.map((each) => encoder.vector(each, prompt, parameters.normalize));
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
      ...paddingOf(context.tokenizer),
      prepare: (request) => prepare(encoder, request),
    };
  },
};
